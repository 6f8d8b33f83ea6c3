"""A token that was added to a tokenizer without a row for it in the model's embedding."""

import json

import pytest
from checkpoints import expo
from small_models import WORDS, model, needs_engine, write_rows

pytestmark = needs_engine
EXTRA = "<extra \n>"


def with_added_token(folder, name="llama"):
    """What transformers' add_tokens does without resize_token_embeddings."""
    folder = model(folder, name)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["added_tokens"].append({"id": WORDS, "content": EXTRA, "single_word": False, "lstrip": False, "rstrip": False,
                                      "normalized": False, "special": False})
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return folder


def refusal(done, place):
    assert done.returncode == 3, done.stderr
    assert f'{place}: the token "<extra \\n>" has the id {WORDS}, but the model\'s embedding has only {WORDS} rows' in done.stderr
    assert "resize_token_embeddings" in done.stderr


@pytest.mark.parametrize("options", [[], ["--no-chat-template"]])
def test_generate_refuses_its_row_before_anything_runs(tmp_path, options):
    policy = with_added_token(tmp_path / "policy")
    data = write_rows(tmp_path / "data.jsonl", [{"prompt": "w8"}, {"prompt": "w9"}, {"prompt": f"w8 {EXTRA} w9"}])
    out = tmp_path / "out" / "answers.jsonl"
    refusal(expo("generate", policy, data, "-o", out, "--max-new-tokens", "2", *options, check=False), f"{data}:3")
    assert not out.parent.exists() or not list(out.parent.iterdir())
    refusal(expo("generate", policy, "--prompt", f"{EXTRA}", *options, check=False), "--prompt 1")
    expo("generate", policy, data, "-o", out, "--limit", 2, "--max-new-tokens", "2", *options)


@pytest.mark.parametrize("name,options", [("llama_reward", []), ("llama", ["--log-probs"])])
@pytest.mark.parametrize("column", ["prompt", "output"])
def test_score_refuses_its_row_before_anything_runs(tmp_path, name, options, column):
    scorer = with_added_token(tmp_path / "scorer", name)
    row = {"prompt": "w8", "output": "w9"}
    data = write_rows(tmp_path / "data.jsonl", [row, row | {column: f"w8 {EXTRA}"}, row])
    out = tmp_path / "out" / "scores.jsonl"
    refusal(expo("score", scorer, data, "-o", out, *options, check=False), f"{data}:2")
    assert not out.parent.exists() or not list(out.parent.iterdir())
    expo("score", scorer, data, "-o", out, "--limit", 1, *options)


def test_score_refuses_pairs(tmp_path):
    scorer = with_added_token(tmp_path / "scorer", "llama_reward")
    data = write_rows(tmp_path / "data.jsonl", [{"prompt": "w8", "chosen": "w9", "rejected": EXTRA}])
    refusal(expo("score", scorer, data, check=False), f"{data}:1")
