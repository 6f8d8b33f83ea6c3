"""SFT on conversations as people have them: its loss is that of transformers over the tokens that the rule counts, and what
cannot be read is refused by row and turn before anything is written."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_chat import chat_model, write_rows
from train_program import EXPO, TRAIN, load, metrics, train

sys.path.insert(0, str(Path(__file__).parents[1] / "text"))
from conversation_cases import Theirs, joined  # noqa: E402  (they lie beside the tests of the room `text`)
from turn_rule import Turns  # noqa: E402

pytestmark = pytest.mark.skipif(not TRAIN.exists(), reason="built without libtorch")

CALL = {"type": "function", "function": {"name": "w31", "arguments": "w32 w33"}}
ROWS = {
    "thoughts": {"messages": [
        {"role": "user", "content": "w7 w8"}, {"role": "assistant", "content": "<think> w9 </think> w10"},
        {"role": "user", "content": "w11"}, {"role": "assistant", "content": "<think> w12 w13 </think> w14 w15"}]},
    "reasoning": {"messages": [
        {"role": "user", "content": "w7"}, {"role": "assistant", "content": "w16 w17", "reasoning_content": "w18"}]},
    "tools": {"tools": [{"name": "w31"}, {"name": "w30"}], "messages": [
        {"role": "user", "content": "w7"}, {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "content": "w34 w35"}, {"role": "assistant", "content": "w36"}]},
    "parts": {"messages": [
        {"role": "user", "content": [{"type": "text", "text": "w7"}, {"type": "text", "text": "w8"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "w19 w20"}]}]},
    "in a row": {"messages": [
        {"role": "user", "content": "w21"}, {"role": "assistant", "content": "w22"}, {"role": "assistant", "content": "w23"}]},
}
# The thoughts of earlier turns are dropped, as Qwen3 and the distillations of R1 drop them.
TEMPLATE = (
    "{% if tools is iterable and tools | length > 0 %}<system> {% for tool in tools %}{{ tool.name }} {% endfor %}<end> "
    "{% endif %}{% for m in messages %}<{{ 'user' if m.role == 'tool' else m.role }}> {% if m.reasoning_content %}"
    "{{ m.reasoning_content }} {% endif %}{% if m.content %}{% if loop.last %}{{ m.content }}{% else %}"
    "{{ m.content.split('</think>')[-1].strip() }}{% endif %} {% endif %}{% for c in m.tool_calls or [] %}"
    "{{ c.function.name }} {{ c.function.arguments }} {% endfor %}<end> {% endfor %}"
    "{% if add_generation_prompt %}<assistant> {% endif %}")
MARKED = (
    "{% for m in messages %}<{{ m.role }}> {% if m.role == 'assistant' %}{% generation %}{{ m.content }} <end>{% endgeneration %}"
    " {% else %}{{ m.content }} <end> {% endif %}{% endfor %}{% if add_generation_prompt %}<assistant> {% endif %}")


def model_with(folder, template):
    chat_model(folder)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, "chat_template": template}))
    return folder


def loss(model, ids, counts):
    """The mean of -log p over the tokens that count."""
    import torch

    with torch.no_grad():
        log_probs = model(torch.tensor([ids])).logits[0, :-1].double().log_softmax(-1)
    values = [log_probs[i - 1, ids[i]].item() for i in range(1, len(ids)) if counts[i]]
    return -sum(values) / len(values), len(values)


def first_loss(model, data, out, **keys):
    train("sft", model_name_or_path=model, output_dir=out, dataset_name=data, max_steps=1, bf16=False,
          per_device_train_batch_size=1, gradient_accumulation_steps=1, warmup_steps=0, **keys)
    return metrics(out)[0]["loss"]


@pytest.mark.parametrize("name", ROWS)
def test_the_loss_is_that_of_transformers_over_every_turn(tmp_path, name):
    folder = model_with(tmp_path / "model", TEMPLATE)
    ids, counts = Turns(Theirs(folder), joined(ROWS[name]), False).mask()
    expected, count = loss(load(folder), ids, counts)
    assert count > 2
    found = first_loss(folder, write_rows(tmp_path / "rows.jsonl", [ROWS[name]]), tmp_path / "out")
    assert math.isclose(found, expected, rel_tol=1e-5)


def test_the_loss_of_a_marking_template_is_that_of_its_mask(tmp_path):
    folder = model_with(tmp_path / "model", MARKED)
    row = ROWS["thoughts"]
    expected, _ = loss(load(folder), *Theirs(folder).marked(row))
    found = first_loss(folder, write_rows(tmp_path / "rows.jsonl", [row]), tmp_path / "out")
    assert math.isclose(found, expected, rel_tol=1e-5)


@pytest.mark.parametrize("keys, counts", [
    ({"assistant_only_loss": False}, lambda i, begin: i >= begin),
    ({"assistant_only_loss": False, "completion_only_loss": False}, lambda i, begin: True),
    ({"completion_only_loss": True}, lambda i, begin: i >= begin)])
def test_completions_count_as_the_settings_say(tmp_path, keys, counts):
    folder = model_with(tmp_path / "model", TEMPLATE)
    prompt, answer = [{"role": "user", "content": "w7 w8"}], [{"role": "assistant", "content": "w9 w10"}]
    theirs = Theirs(folder)
    ids, _ = theirs.tokens(theirs.render({}, [*prompt, *answer]))
    begin = len(theirs.tokens(theirs.render({}, prompt, add_generation_prompt=True))[0])
    expected, _ = loss(load(folder), ids, [counts(i, begin) for i in range(len(ids))])
    data = write_rows(tmp_path / "rows.jsonl", [{"prompt": prompt, "completion": answer}])
    assert math.isclose(first_loss(folder, data, tmp_path / "out", **keys), expected, rel_tol=1e-5)


@pytest.mark.parametrize("name", ["tools", "parts"])
def test_log_probabilities_are_those_of_transformers(tmp_path, name):
    """The prompt has tools and their answers, or parts; the answer is the last turn's text."""
    import torch

    folder = model_with(tmp_path / "model", TEMPLATE)
    row = joined(ROWS[name])
    theirs, model = Theirs(folder), load(folder)
    prompt = theirs.tokens(theirs.render(row, row["messages"][:-1], add_generation_prompt=True))[0]
    ids = prompt + theirs.tokens(row["messages"][-1]["content"])[0]
    with torch.no_grad():
        log_probs = model(torch.tensor([ids])).logits[0, :-1].double().log_softmax(-1)
    expected = sum(log_probs[i - 1, ids[i]].item() for i in range(len(prompt), len(ids)))
    done = subprocess.run([EXPO, "score", folder, write_rows(tmp_path / "rows.jsonl", [ROWS[name]]), "--log-probs",
                           "--dtype", "float32"], check=True, capture_output=True, text=True)
    assert math.isclose(json.loads(done.stdout)["log_prob"], expected, rel_tol=1e-5)


def test_answers_keep_the_tools_of_their_prompt(tmp_path):
    folder = model_with(tmp_path / "model", TEMPLATE)
    row = {"id": "x", "tools": ROWS["tools"]["tools"], "messages": ROWS["tools"]["messages"][:3]}
    out = tmp_path / "answers.jsonl"
    subprocess.run([EXPO, "generate", folder, write_rows(tmp_path / "rows.jsonl", [row]), "-o", out, "--max-new-tokens", "3",
                    "--dtype", "float32"], check=True, capture_output=True)
    answer = json.loads(out.read_text())
    assert answer["tools"] == row["tools"] and answer["messages"][:3] == row["messages"]


GOOD = [{"role": "user", "content": "w7"}, {"role": "assistant", "content": "w8"}]


@pytest.mark.parametrize("row, said", [
    ({"messages": [{"content": "w7"}, *GOOD]}, "turn 1 has no role"),
    ({"messages": [*GOOD, {"role": 3, "content": "w7"}]}, "turn 3 has a role that is not text"),
    ({"messages": [*GOOD, "w7"]}, "turn 3 is not an object"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}, *GOOD]},
     'turn 1 has a content whose part 1 is of the type "image_url"'),
    ({"messages": [{"role": "user", "content": ["w7"]}, *GOOD]}, "turn 1 has a content whose part 1 is not of the form"),
    ({"messages": [{"role": "user", "content": 7}, *GOOD]}, "turn 1 has a content that is neither text nor a list"),
    ({"messages": [{"role": "user", "content": None}, *GOOD]}, "turn 1 has no content"),
    ({"messages": GOOD, "tools": {"name": "w31"}}, "tools is not a list of objects, but an object"),
    ({"messages": GOOD, "tools": ["w31"]}, "tools: entry 1 is not an object"),
    ({"messages": GOOD, "tools": "w31"}, "tools is text that is not JSON"),
    ({"messages": GOOD, "chat_template_kwargs": [1]}, "chat_template_kwargs is not an object"),
    ({"messages": [*GOOD[:1], {"role": "assistant", "content": ""}]}, "turn 2, by the assistant, is empty"),
    ({"messages": []}, "messages is not a list of messages with at least one entry")])
def test_what_cannot_be_read_is_refused_by_row_and_turn(tmp_path, row, said):
    folder = model_with(tmp_path / "model", TEMPLATE)
    out = tmp_path / "out"
    done = train("sft", 3, model_name_or_path=folder, output_dir=out,
                 dataset_name=write_rows(tmp_path / "rows.jsonl", [{"messages": GOOD}, row]))
    assert "rows.jsonl:2: " in done.stderr and said in done.stderr
    assert not out.exists() or not any(out.iterdir())


def test_messages_have_no_completion(tmp_path):
    done = train("sft", 3, model_name_or_path=model_with(tmp_path / "model", TEMPLATE), output_dir=tmp_path / "out",
                 dataset_name=write_rows(tmp_path / "rows.jsonl", [{"messages": GOOD}]), completion_only_loss=True)
    assert "rows.jsonl:1: completion_only_loss is on, but the row has messages" in done.stderr
