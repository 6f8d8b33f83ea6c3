"""`expo generate` against transformers, and what it refuses."""

import json
import os
import pty
import subprocess
import termios
from pathlib import Path

import numpy as np
import pytest

from checkpoints import EXPO, expo
from small_models import TEMPLATE, model, needs_engine, pair, prompts, read_rows, write_rows

pytestmark = needs_engine
SEED = 20240601
NEW = ["--max-new-tokens", "40"]


@pytest.fixture
def data(tmp_path):
    """Twelve prompts with ids."""
    print("seed", SEED)
    texts = prompts(np.random.default_rng(SEED), 12)
    return write_rows(tmp_path / "prompts.jsonl", [{"id": f"p{i}", "prompt": text} for i, text in enumerate(texts)])


def refused(*arguments, code):
    done = expo("generate", *arguments, check=False)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    return done.stderr


def transformers_answers(folder, conversations, new_tokens, **options):
    """The greedy ids of each conversation's answer, the end token included, each prompt alone."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    network = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    answers = []
    for messages in conversations:
        ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=True, return_dict=True,
                                            return_tensors="pt")["input_ids"]
        made = network.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, pad_token_id=0,
                                max_new_tokens=new_tokens, **options)[0, ids.shape[1]:].tolist()
        answers.append((tokenizer.decode(made, skip_special_tokens=True), len(made), made[-1]))
    return answers


@pytest.mark.parametrize("name", ["llama", "qwen3", "gemma2"])
def test_greedy_answers_are_those_of_transformers(tmp_path, data, name):
    folder = model(tmp_path / "model", name)
    expo("generate", folder, data, "-o", tmp_path / "out.jsonl", "--batch-size", "5", *NEW)
    rows = read_rows(tmp_path / "out.jsonl")
    asked = read_rows(data)
    assert [row["prompt_id"] for row in rows] == [row["id"] for row in asked]
    expected = transformers_answers(folder, [[{"role": "user", "content": row["prompt"]}] for row in asked], 40)
    ends = {json.loads((folder / "config.json").read_text())["eos_token_id"], 2}
    for row, (text, count, last) in zip(rows, expected, strict=True):
        assert row["messages"][-1] == {"role": "assistant", "content": text}
        assert row["tokens"] == count
        assert row["finish_reason"] == ("stop" if last in ends else "length")


def test_every_token_of_the_eos_lists_ends_an_answer(tmp_path, data):
    plain = model(tmp_path / "plain")
    whole = [row["messages"][-1]["content"].split()
             for row in json_rows(expo("generate", plain, data, "--ignore-eos", *NEW))]
    listed, configured = int(whole[0][7][1:]), int(whole[1][9][1:])
    folder = model(tmp_path / "model", config={"eos_token_id": [configured, 2]})
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [listed], "temperature": 3.0}))
    for row, words in zip(json_rows(expo("generate", folder, data, *NEW)), whole, strict=True):
        ends = [words.index(f"w{end}") for end in (listed, configured) if f"w{end}" in words]
        end = min(ends, default=len(words))
        assert row["messages"][-1]["content"].split() == words[:end]
        assert row["finish_reason"] == ("stop" if ends else "length")


def json_rows(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_stop_strings_and_ids_end_answers(tmp_path, data):
    folder = model(tmp_path / "model")
    free = json_rows(expo("generate", folder, data, "--ignore-eos", *NEW))[0]["messages"][-1]["content"].split()
    at = {word: free.index(word) for word in free}
    words = sorted(at, key=at.get)
    second, third = words[2], words[3]
    row = json_rows(expo("generate", folder, data, "--ignore-eos", "--limit", "1", "--stop-token-id", second[1:], *NEW))
    assert [one["messages"][-1]["content"].split() for one in row] == [free[:at[second]]]
    row = json_rows(expo("generate", folder, data, "--ignore-eos", "--limit", "1", "--stop", f"{third} ", "--stop",
                         f" {second}", *NEW))
    assert row[0]["messages"][-1]["content"] == " ".join(free[:at[second]])
    assert row[0]["finish_reason"] == "stop"


def test_answers_beyond_are_those_of_the_written_checkpoint(tmp_path, data):
    sft, aligned = pair(tmp_path)
    options = ["--temperature", "0.8", "--seed", "3", "--n", "2", "--deterministic", *NEW]
    expo("extrapolate", sft, aligned, "-o", tmp_path / "beyond", "--alpha", "0.7", "--alpha-for", "mlp=1.5")
    expo("generate", tmp_path / "beyond", data, "-o", tmp_path / "written.jsonl", *options)
    done = expo("generate", aligned, data, "-o", tmp_path / "live.jsonl", "--sft", sft, "--alpha", "0.7", "--alpha-for",
                "mlp=1.5", "--json", *options)
    assert (tmp_path / "live.jsonl").read_bytes() == (tmp_path / "written.jsonl").read_bytes()
    summary = json.loads(done.stdout)
    assert summary["alpha"] == "0.7, then mlp=1.5"
    expo("generate", aligned, data, "-o", tmp_path / "aligned.jsonl", *options)
    assert (tmp_path / "live.jsonl").read_bytes() != (tmp_path / "aligned.jsonl").read_bytes()


def test_stochastic_rounding_has_a_seed_of_its_own(tmp_path, data):
    sft, aligned = pair(tmp_path)
    common = ["--alpha", "2", "--rounding", "stochastic"]
    for seed in ("5", "6"):
        expo("extrapolate", sft, aligned, "-o", tmp_path / f"beyond{seed}", "--out-dtype", "bf16", "--seed", seed, *common)
        expo("generate", tmp_path / f"beyond{seed}", data, "-o", tmp_path / f"written{seed}.jsonl", "--deterministic", *NEW)
        expo("generate", aligned, data, "-o", tmp_path / f"live{seed}.jsonl", "--sft", sft, "--dtype", "bf16",
             "--rounding-seed", seed, "--deterministic", *common, *NEW)
        assert (tmp_path / f"live{seed}.jsonl").read_bytes() == (tmp_path / f"written{seed}.jsonl").read_bytes()


def test_samples_differ_and_repeat_under_their_seed(tmp_path, data):
    folder = model(tmp_path / "model")
    options = ["--n", "3", "--temperature", "1", "--deterministic", *NEW]
    first, again = (expo("generate", folder, data, "--seed", "1", *options).stdout for _ in range(2))
    assert first == again
    assert first != expo("generate", folder, data, "--seed", "2", *options).stdout
    rows = [json.loads(line) for line in first.splitlines()]
    assert [row["sample"] for row in rows] == [0, 1, 2] * 12
    assert len({row["messages"][-1]["content"] for row in rows[:3]}) == 3


def test_the_shapes_of_rows(tmp_path):
    folder = model(tmp_path / "model")
    data = write_rows(tmp_path / "eval.jsonl", [{"instruction": "w8 w9", "dataset": "koala", "extra": 1}])
    answer = json_rows(expo("generate", folder, data, *NEW))[0]
    text = answer["messages"][-1]["content"]
    assert answer == {"prompt": "w8 w9", "prompt_id": "0",
                      "messages": [{"role": "user", "content": "w8 w9"}, {"role": "assistant", "content": text}],
                      "sample": 0, "finish_reason": answer["finish_reason"], "tokens": answer["tokens"]}
    end = {"finish_reason": answer["finish_reason"], "tokens": answer["tokens"]}
    expo("generate", folder, data, "-o", tmp_path / "out.json", "--generator", "mine", *NEW)
    assert json.loads((tmp_path / "out.json").read_text()) == [
        {"instruction": "w8 w9", "output": text, "generator": "mine", "dataset": "koala", **end}]
    plain = json_rows(expo("generate", folder, data, "--format", "plain", *NEW))[0]
    assert plain == {"instruction": "w8 w9", "dataset": "koala", "extra": 1, "answer": text, "sample": 0, **end}
    quick = expo("generate", folder, "--prompt", "w8 w9", *NEW)
    assert quick.stdout == text + "\n"


def test_control_characters_of_answers_do_not_reach_a_terminal(tmp_path):
    folder = model(tmp_path / "model")
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    tokenizer["model"]["vocab"] = {f"\x1b\t{word}" if number > 10 else word: number
                                   for word, number in vocabulary.items()}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    arguments = ["generate", folder, "--prompt", "w8 w9", "--ignore-eos", "--max-new-tokens", "9"]
    answer = expo(*arguments).stdout
    assert "\x1b\t" in answer
    ours, theirs = pty.openpty()
    attributes = termios.tcgetattr(theirs)
    attributes[1] &= ~termios.OPOST  # line ends and tabs as they are written
    termios.tcsetattr(theirs, termios.TCSANOW, attributes)
    subprocess.run([EXPO, *map(str, arguments)], check=True, stdout=theirs, stderr=subprocess.DEVNULL)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    os.close(theirs)
    assert shown == answer.replace("\x1b", "\\x1b")


def test_a_system_turn_and_a_template_of_ones_own(tmp_path):
    folder = model(tmp_path / "model", template=None)
    (tmp_path / "mine.jinja").write_text(TEMPLATE)
    (tmp_path / "loud.jinja").write_text("{% for m in messages %}{{ m.content }} {{ extra }} {% endfor %}")
    own, raw, extra = (
        expo("generate", folder, "--prompt", "w8 w9", *NEW, *options).stdout
        for options in (["--chat-template", tmp_path / "mine.jinja", "--system", "w70"],
                        ["--no-chat-template"],
                        ["--chat-template", tmp_path / "loud.jinja", "--template-variable", "extra=w50"]))
    as_text = [expo("generate", folder, "--no-chat-template", "--prompt", text, *NEW).stdout
               for text in ("w5 w70 w3 w8 w9 w4", "w8 w9 w50")]
    assert [own, extra] == as_text
    assert raw not in as_text
    message = refused(folder, "--prompt", "w8", code=3)
    assert "no chat template" in message and "--chat-template" in message
    assert "--system" in refused(folder, "--prompt", "w8", "--no-chat-template", "--system", "w9", code=2)


@pytest.mark.parametrize("rows, place", [
    ([{"id": "a", "prompt": "w8"}, {"id": "b", "prompt": ""}], "prompts.jsonl:2: the prompt is empty"),
    ([{"id": "a", "prompt": "w8"}, {"id": "a", "prompt": "w9"}], 'prompts.jsonl:2: the id "a" occurs twice with different prompts'),
    ([{"prompt": "w8"}, {"text": "w9"}], "prompts.jsonl:2: there is no column prompt"),
    ([{"prompt": "w8"}, {"prompt": " ".join(["w9"] * 200)}], "prompts.jsonl:2: the prompt has 202 tokens"),
])
def test_bad_rows_are_named_before_anything_runs(tmp_path, rows, place):
    folder = model(tmp_path / "model", change=lambda tensors: {"none": np.zeros(1, np.float32)})  # could not run
    data = write_rows(tmp_path / "prompts.jsonl", rows)
    assert place in refused(folder, data, "-o", tmp_path / "out.jsonl", code=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "prompts.jsonl"]


def test_prompts_that_are_too_long_can_be_left_out(tmp_path):
    folder = model(tmp_path / "model")
    data = write_rows(tmp_path / "prompts.jsonl", [{"prompt": "w8"}, {"prompt": " ".join(["w9"] * 200)}, {"prompt": "w7"}])
    done = expo("generate", folder, data, "-o", tmp_path / "out.jsonl", "--skip-too-long", "--json", *NEW)
    summary = json.loads(done.stdout)
    assert (summary["prompts"], summary["skipped"], summary["answers"]) == (2, 1, 2)
    assert "prompts.jsonl:2" in done.stderr
    assert [row["prompt_id"] for row in read_rows(tmp_path / "out.jsonl")] == ["0", "2"]


def test_an_answer_ends_where_the_context_is_full(tmp_path):
    folder = model(tmp_path / "model")
    data = write_rows(tmp_path / "prompts.jsonl", [{"prompt": " ".join(["w9"] * 120)}])
    row = json_rows(expo("generate", folder, data, "--ignore-eos"))[0]
    assert row["finish_reason"] == "length" and row["tokens"] == 128 - 122


def test_a_cache_that_is_too_small_is_refused(tmp_path, data):
    folder = model(tmp_path / "model")
    assert "of cache" in refused(folder, data, "--cache-size", "1KB", "--max-new-tokens", "100", code=3)


def test_broken_weights_are_reported_and_finished_rows_kept_apart(tmp_path, data):
    def spoil(tensors):
        tensors["model.norm.weight"] = np.full_like(tensors["model.norm.weight"], np.nan)
        return tensors
    folder = model(tmp_path / "model", change=spoil)
    assert "NaN" in refused(folder, data, "-o", tmp_path / "out.jsonl", *NEW, code=3)
    assert not (tmp_path / "out.jsonl").exists()


def test_models_in_the_wrong_role_are_refused(tmp_path, data):
    message = refused(model(tmp_path / "reward", "llama_reward"), data, code=2)
    assert "reward model" in message and "ForCausalLM" in message


def test_unequal_vocabularies_are_refused_or_treated_as_told(tmp_path, data):
    def padded(tensors):
        return {name: np.concatenate([value, np.zeros((4, value.shape[1]), value.dtype)])
                if value.shape[0] == 96 else value for name, value in tensors.items()}
    sft = model(tmp_path / "sft", config={"vocab_size": 100}, change=padded)
    aligned = model(tmp_path / "aligned")
    options = ["--sft", sft, "--alpha", "0.5", *NEW]
    assert "model.embed_tokens.weight" in refused(aligned, data, *options, code=3)
    done = expo("generate", aligned, data, *options, "--on-mismatch", "common-rows")
    assert "model.embed_tokens.weight" in done.stderr
    assert done.stdout == expo("generate", aligned, data, *NEW).stdout  # the common rows are the same


def test_token_ids_that_stand_for_other_tokens_are_warned_of(tmp_path, data):
    sft, aligned = pair(tmp_path)
    tokenizer = json.loads((sft / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["w50"], vocabulary["w51"] = vocabulary["w51"], vocabulary["w50"]
    (sft / "tokenizer.json").write_text(json.dumps(tokenizer))
    done = expo("generate", aligned, data, "--sft", sft, "--alpha", "0.5", *NEW)
    assert "2 of 96 token ids stand for different tokens" in done.stderr


def test_a_program_that_does_not_know_its_place_runs_none_of_the_current_folder(tmp_path, data):
    """Without /proc."""
    hide = ["unshare", "-rm", "sh", "-c", "mount -t tmpfs none /proc && exec \"$@\"", "sh"]
    if subprocess.run([*hide, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no mounts of one's own here")
    (tmp_path / "expo-engine").write_text("#!/bin/sh\necho somebody\n")
    (tmp_path / "expo-engine").chmod(0o755)
    if b"__asan_init" in Path(EXPO).read_bytes():
        pytest.skip("the leak sanitizer needs /proc, for its own options too")
    done = subprocess.run([*hide, EXPO, "generate", "model", data], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 4 and "somebody" not in done.stdout, done.stderr
    assert "/proc/self/exe" in done.stderr


@pytest.mark.parametrize("options, words", [
    (["--alpha", "0.3"], "--sft"),
    (["--sft", "MODEL"], "--alpha"),
    (["--rounding", "stochastic"], "--sft"),
    (["--sft", "MODEL", "--alpha", "1", "--rounding", "up"], "auto, nearest or stochastic"),
    (["--temperature", "-1"], "temperature is -1"),
    (["--top-p", "0"], "top_p is 0"),
    (["--top-k", "5"], "give a --temperature above 0"),
    (["--top-p", "0.9", "--seed", "1"], "give a --temperature above 0"),
    (["--min-p", "0.1"], "give a --temperature above 0"),
    (["--rounding-seed", "0"], "--sft"),
    (["--on-mismatch", "refuse"], "--sft"),
    (["--sft", "MODEL", "--alpha", "1", "--rounding", "nearest", "--rounding-seed", "1"], "--rounding auto or stochastic"),
    (["--generator", "mine"], "--format alpaca"),
    (["--n", "2"], "temperature"),
    (["--n", "2", "--temperature", "1", "--format", "alpaca"], "AlpacaEval"),
    (["--format", "csv"], "--format"),
    (["--device", "tpu"], "--device"),
    (["--dtype", "f16"], "--dtype"),
    (["--cache-size", "much"], "much"),
    (["--stop", ""], "stop string is empty"),
    (["--template-variable", "thinking"], "KEY=JSON"),
    (["--template-variable", "thinking=False"], "JSON spells False as false"),
    (["--resume"], "-o FILE"),
    (["--json"], "-o FILE"),
    (["--prompt", "w8"], "both given"),
])
def test_wrong_use_is_refused_in_one_sentence(tmp_path, data, options, words):
    folder = model(tmp_path / "model")
    message = refused(folder, data, *[folder if option == "MODEL" else option for option in options], code=2)
    assert words in message and message.count("\n") == 1


def test_cuda_that_is_not_there_is_said_to_be_missing(tmp_path, data):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    folder = model(tmp_path / "model")
    message = refused(folder, data, "--device", "cuda:0", code=4)
    assert "--device cpu" in message
    assert json.loads(expo("generate", folder, data, "-o", tmp_path / "out.jsonl", "--json", *NEW).stdout)[
        "engine"]["device"] == "cpu"
