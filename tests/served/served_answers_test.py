"""`expo generate` with models that servers run, in each server's dialect, also where the server misbehaves."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from checkpoints import EXPO, expo
from small_models import model, prompts, read_rows, write_rows

from model_server import Changed, Half, Reset, Stall, Status, next_tokens, text_of, word

KEY = "sk-Secret-4711"


@pytest.fixture
def folder(tmp_path):
    return model(tmp_path / "model")


@pytest.fixture
def data(tmp_path):
    """Twelve prompts with ids."""
    texts = prompts(np.random.default_rng(7), 12)
    return write_rows(tmp_path / "prompts.jsonl", [{"id": f"p{i}", "prompt": text} for i, text in enumerate(texts)])


def ids_of(text):
    """The template's tokens, by the rule of small_models.py."""
    return [3, *(int(word[1:]) for word in text.split()), 4]


def path_of(server):
    return "/completion" if server.dialect == "llama" else "/v1/completions"


def generate(server, data, out, *options, **more):
    return expo("generate", word(server), data, "-o", out, "--max-new-tokens", "40", *options, **more)


def refused(*arguments, code, **options):
    done = expo("generate", *arguments, check=False, **options)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    return done.stderr


def seeds(server):
    return [body["seed"] for body in server.asked(path_of(server))]


def test_vllm_gets_token_ids_and_every_sampling_field(serve, data, tmp_path):
    server = serve()
    generate(server, data, tmp_path / "out.jsonl", "--temperature", "0.7", "--top-k", "40", "--top-p", "0.9", "--min-p",
             "0.05", "--presence-penalty", "0.1", "--frequency-penalty", "0.2", "--repetition-penalty", "1.1", "--stop",
             "w9 w9", "--stop-token-id", "77", "--n", "2")
    bodies = server.asked("/v1/completions")
    by_prompt = {}
    for body in bodies:
        by_prompt.setdefault(tuple(body["prompt"]), []).append(body)
        body = {key: value for key, value in body.items() if key not in ("prompt", "seed")}
        assert body == {
            "model": "small", "n": 1, "stream": False, "temperature": 0.7, "top_p": 0.9, "presence_penalty": 0.1,
            "frequency_penalty": 0.2, "stop": ["w9 w9"], "top_k": 40, "min_p": 0.05, "repetition_penalty": 1.1,
            "ignore_eos": False, "min_tokens": 0, "skip_special_tokens": True, "include_stop_str_in_output": False,
            "add_special_tokens": False, "stop_token_ids": [77, 2], "max_tokens": 40, "echo": False}
    assert len({body["seed"] for body in bodies}) == 24 and all(body["seed"] < 2 ** 53 for body in bodies)
    rows = read_rows(tmp_path / "out.jsonl")
    asked = read_rows(data)
    assert [(row["prompt_id"], row["sample"]) for row in rows] == [(one["id"], n) for one in asked for n in range(2)]
    for row, prompt in zip(rows, [one["prompt"] for one in asked for _ in range(2)]):
        possible = {text_of(next_tokens(ids_of(prompt), body["seed"], 5)) for body in by_prompt[tuple(ids_of(prompt))]}
        assert row["messages"][-1]["content"] in possible
        assert (row["finish_reason"], row["tokens"]) == ("stop", 6)


def test_defaults_are_explicit_too(serve, data, tmp_path):
    server = serve()
    generate(server, data, tmp_path / "out.jsonl", "--limit", "1")
    body = server.asked("/v1/completions")[0]
    assert {key: body[key] for key in ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")} == {
        "temperature": 0, "top_k": -1, "top_p": 1, "min_p": 0, "repetition_penalty": 1}
    assert body["stop_token_ids"] == [2]


def test_a_seed_depends_on_run_prompt_and_sample_alone(serve, data, tmp_path):
    draw = ["--temperature", "1"]
    server, other = serve(), serve()
    generate(server, data, tmp_path / "all.jsonl", *draw)
    rows = read_rows(data)
    write_rows(tmp_path / "last.jsonl", rows[:-4:-1])
    generate(other, tmp_path / "last.jsonl", tmp_path / "some.jsonl", *draw, "--batch-size", "1")
    of_all = {tuple(body["prompt"]): body["seed"] for body in server.asked("/v1/completions")}
    of_some = {tuple(body["prompt"]): body["seed"] for body in other.asked("/v1/completions")}
    assert len(of_some) == 3 and of_some.items() <= of_all.items()
    assert other.most_in_flight == 1
    generate(other, tmp_path / "last.jsonl", tmp_path / "seed.jsonl", *draw, "--seed", "1")
    assert not set(seeds(other)[3:]) & set(of_all.values())


def test_llama_server_samples_as_vllm_does(serve, data, tmp_path):
    server = serve("llama")
    generate(server, data, tmp_path / "out.jsonl", "--temperature", "0.7", "--top-k", "40", "--repetition-penalty", "1.1")
    rows, asked = read_rows(tmp_path / "out.jsonl"), read_rows(data)
    bodies = {tuple(body["prompt"]): body for body in server.asked("/completion")}
    for row, prompt in zip(rows, asked, strict=True):
        body = bodies[tuple(ids_of(prompt["prompt"]))]
        assert row["messages"][-1]["content"] == text_of(next_tokens([*body["prompt"], 0], body["seed"], 5))
        assert body["cache_prompt"] is False and body["lora"] == []
        assert body["samplers"] == ["penalties", "temperature", "min_p", "top_k", "top_p"]
        assert (body["repeat_penalty"], body["typical_p"], body["n_predict"]) == (1.1, 1, 40)
        assert body["repeat_last_n"] >= server.context
        assert 0 <= body["seed"] < 2 ** 31
    assert len(set(seeds(server))) == 12


@pytest.mark.parametrize("option", [["--presence-penalty", "0.1"], ["--frequency-penalty", "0.1"], ["--ignore-eos"]])
def test_llama_server_reads_some_options_otherwise(serve, data, tmp_path, option):
    server = serve("llama")
    words = refused(word(server), data, "-o", tmp_path / "out.jsonl", *option, code=2)
    assert option[0] in words and "--allow-other-sampling" in words
    assert not server.asked("/completion")
    generate(server, data, tmp_path / "out.jsonl", *option, "--allow-other-sampling")
    assert len(server.asked("/completion")) == 12


def test_alpha_is_the_adapters_scale_less_one(serve, data, tmp_path):
    server = serve("llama")
    server.adapters = ["delta.gguf"]
    for alpha in ("0.3", "-1"):
        generate(server, data, tmp_path / f"{alpha}.jsonl", f"--alpha={alpha}", "--limit", "1")
    generate(server, data, tmp_path / "none.jsonl", "--limit", "1")
    scales = [body["lora"] for body in server.asked("/completion")]
    assert scales == [[{"id": 0, "scale": 1.3}], [{"id": 0, "scale": 0.0}], [{"id": 0, "scale": 1.0}]]
    for adapters in ([], ["a", "b"]):
        server.adapters = adapters
        words = refused(word(server), data, "--alpha", "1", code=3)
        assert f"{len(adapters)} LoRA adapters" in words
    assert "--alpha-for" in refused(word(server), data, "--alpha", "1", "--alpha-for", "mlp=2", code=2)


def test_an_alpha_that_a_server_cannot_move_to_is_refused(serve, data):
    assert "cannot move to another alpha" in refused(word(serve("openai")), data, "--alpha", "0.3", code=2)


def test_other_servers_get_messages(serve, tmp_path):
    server = serve("openai")
    rows = [{"prompt": "w10 w11", "tools": [{"type": "function", "function": {"name": "f"}}]}, {"prompt": "w12"}]
    generate(server, write_rows(tmp_path / "tools.jsonl", rows), tmp_path / "out.jsonl", "--system", "w9")
    bodies = sorted(server.asked("/v1/chat/completions"), key=lambda body: len(body["messages"][1]["content"]))
    assert [body["messages"] for body in bodies] == [
        [{"role": "system", "content": "w9"}, {"role": "user", "content": text}] for text in ("w12", "w10 w11")]
    assert bodies[1]["tools"] == rows[0]["tools"] and "tools" not in bodies[0]
    assert bodies[0]["max_completion_tokens"] == 40 and "top_k" not in bodies[0] and "min_p" not in bodies[0]
    for row, prompt, body in zip(read_rows(tmp_path / "out.jsonl"), ("w9 w10 w11", "w9 w12"), reversed(bodies)):
        tokens = [ord(letter) % 90 for letter in prompt]
        assert row["messages"][-1]["content"] == text_of(next_tokens(tokens, body["seed"], 5))


def test_other_servers_get_text_or_token_ids_where_that_is_wanted(serve, data, tmp_path, folder):
    server = serve("openai")
    generate(server, data, tmp_path / "text.jsonl", "--no-chat-template", "--limit", "1")
    generate(server, data, tmp_path / "ids.jsonl", "--tokenizer", folder, "--limit", "1")
    text = read_rows(data)[0]["prompt"]
    assert [body["prompt"] for body in server.asked("/v1/completions")] == [text, ids_of(text)]


@pytest.mark.parametrize("option", [["--top-k", "5"], ["--min-p", "0.1"], ["--repetition-penalty", "1.2"],
                                    ["--stop-token-id", "7"], ["--ignore-eos"]])
def test_what_other_servers_may_not_know_is_refused(serve, data, tmp_path, option):
    server = serve("openai")
    draw = ["--temperature", "1"]
    assert option[0] in refused(word(server), data, "-o", tmp_path / "out.jsonl", *draw, *option, code=2)
    generate(server, data, tmp_path / "out.jsonl", *draw, *option, "--allow-other-sampling", "--limit", "1")
    body = server.asked("/v1/chat/completions")[0]
    name = {"--stop-token-id": "stop_token_ids"}.get(option[0], option[0][2:].replace("-", "_"))
    assert body[name] in (5, 0.1, 1.2, [7], True)


def test_a_server_of_another_model_is_refused(serve, data, tmp_path):
    server = serve()
    words = refused(word(server, "#large"), data, code=3)
    assert "does not have large, but small" in words and server.url in words
    generate(server, data, tmp_path / "out.jsonl", "--limit", "1")
    expo("generate", word(server, "#small"), data, "--limit", "1")
    expo("generate", word(server, f"#{server.root}"), data, "--limit", "1")
    server.misbehave = lambda request: Changed(
        lambda answer: {"data": answer["data"] + [{"id": "b"}]}) if request.path == "/v1/models" else None
    assert "2 models (small, b); name one" in refused(word(server), data, code=3)


def test_a_server_that_was_started_again_with_another_model_is_found(serve, data, tmp_path):
    server = serve()
    asked = []

    def other(request):
        if request.path != "/v1/models":
            return None
        asked.append(request)
        return Changed(lambda answer: {"data": [{"id": "small", "root": "/other"}]}) if len(asked) > 1 else None
    server.misbehave = other
    assert "has another model now under the name small: /other" in refused(word(server), data, code=3)
    assert not server.asked("/v1/completions")


def changed_after(path, count, change):
    """Changes the answers to GET `path` after so many answers have been given."""
    def misbehave(request):
        return Changed(change) if request.path == path and request.number >= count else None
    return misbehave


@pytest.mark.parametrize("dialect, path, change, words", [
    ("llama", "/props", lambda answer: {**answer, "model_path": "/other.gguf"}, "another model now"),
    ("llama", "/props", lambda answer: {**answer, "build_info": "b1"}, "another version of its program"),
    ("llama", "/lora-adapters", lambda answer: [{**answer[0], "path": "other.gguf"}], 'other.gguf"], not ["delta.gguf"]'),
    ("llama", "/lora-adapters", lambda answer: [], '[], not ["delta.gguf"]'),
    ("vllm", "/v1/models", lambda answer: {"data": [{**answer["data"][0], "root": "/other"}]}, "another model now"),
    ("vllm", "/version", lambda answer: {"version": "1"}, "another version of its program"),
])
def test_answers_count_only_if_the_model_is_the_same_after_them(serve, data, tmp_path, dialect, path, change, words):
    server = serve(dialect)
    server.adapters = ["delta.gguf"]
    server.misbehave = changed_after(path, 12, change)
    out = ["-o", tmp_path / "out.jsonl"]
    message = refused(word(server), data, *out, code=3)
    assert words in message and "12 answers that came since it was last seen with that model are left out" in message
    assert len(server.asked(path_of(server))) == 12
    server.misbehave, server.requests = lambda request: None, []
    expo("generate", word(server), data, *out, "--resume")
    assert len(server.asked(path_of(server))) == 12, "none of them was kept"


def test_a_model_that_changes_is_found_while_more_is_asked(serve, data, tmp_path):
    server = serve("llama")
    server.pause = 0.1
    server.misbehave = changed_after("/props", 30, lambda answer: {**answer, "model_path": "/other.gguf"})
    out = ["-o", tmp_path / "out.jsonl", "--n", "20", "--temperature", "1", "--batch-size", "2"]
    message = refused(word(server), data, *out, code=3)
    assert "another model now" in message
    assert 30 < len(server.asked("/completion")) < 120
    assert "--resume" in message, "those before it was changed are kept"


def test_adapters_of_another_file_are_another_run(serve, data, tmp_path):
    server = serve("llama")
    server.adapters = ["delta.gguf"]
    bad = ids_of(read_rows(data)[7]["prompt"])
    server.misbehave = lambda request: (Status(400) if request.method == "POST" and request.body["prompt"] == bad
                                        else None)
    refused(word(server), data, "-o", tmp_path / "out.jsonl", code=3)
    server.adapters, server.misbehave = ["other.gguf"], lambda request: None
    done = expo("generate", word(server), data, "-o", tmp_path / "out.jsonl", "--resume", check=False)
    assert done.returncode != 0, "the answers of both would be mixed"
    assert all("path" not in each for body in server.asked("/completion") for each in body["lora"])


def test_a_full_context_is_an_answer_like_any_other(serve, data, tmp_path):
    for dialect in ("llama", "vllm"):
        server = serve(dialect, context=64, length=500)
        expo("generate", word(server), data, "-o", tmp_path / f"{dialect}.jsonl")
        rows = read_rows(tmp_path / f"{dialect}.jsonl")
        assert len(rows) == 12 and {row["finish_reason"] for row in rows} == {"length"}


@pytest.mark.parametrize("dialect", ["vllm", "llama", "openai"])
def test_a_limit_of_the_servers_own_is_found(serve, data, dialect):
    server = serve(dialect, length=500, context=600)

    def cut(answer):
        if dialect == "llama":
            return {**answer, "tokens_predicted": 16, "stop_type": "limit"}
        return {**answer, "usage": {**answer["usage"], "completion_tokens": 16}}
    server.misbehave = lambda request: Changed(cut) if request.method == "POST" else None
    message = refused(word(server), data, "--max-new-tokens", "40", code=3)
    assert "cut the answer at 16 tokens, although up to 40" in message and "prompts.jsonl:" in message


@pytest.mark.parametrize("dialect", ["vllm", "llama"])
def test_a_prompt_that_the_server_has_read_otherwise_is_found(serve, data, dialect):
    server = serve(dialect)

    def cut(answer):
        return {**answer, "tokens_evaluated": 2, "usage": {**answer.get("usage", {}), "prompt_tokens": 2}}
    server.misbehave = lambda request: Changed(cut) if request.method == "POST" else None
    assert "has read 2 tokens as the prompt, but" in refused(word(server), data, code=3)


@pytest.mark.parametrize("body", [
    {"error": {"message": "Unrecognized request argument supplied: max_completion_tokens"}},
    {"detail": [{"type": "extra_forbidden", "loc": ["body", "max_completion_tokens"], "msg": "Extra inputs"}]}])
def test_a_server_that_knows_only_the_old_limit_gets_it(serve, data, tmp_path, body):
    server = serve("openai")
    server.misbehave = lambda request: Status(422, body=body) if "max_completion_tokens" in (request.body or {}) else None
    generate(server, data, tmp_path / "out.jsonl", "--batch-size", "4")
    bodies = server.asked("/v1/chat/completions")
    assert [body["max_tokens"] for body in bodies if "max_tokens" in body] == [40] * 12
    assert len(bodies) <= 16 and len(read_rows(tmp_path / "out.jsonl")) == 12
    server.misbehave = lambda request: Status(422, body=body) if request.method == "POST" else None
    assert "status 422" in refused(word(server), data, code=3)


def test_other_servers_get_no_empty_list_of_stops(serve, data):
    server = serve("openai")
    expo("generate", word(server), data, "--limit", "1")
    expo("generate", word(server), data, "--limit", "1", "--stop", "w9")
    assert [body.get("stop") for body in server.asked("/v1/chat/completions")] == [None, ["w9"]]


@pytest.mark.parametrize("message, tokens, words", [
    ({}, 1, None), ({"refusal": None, "tool_calls": [], "reasoning_content": ""}, 0, None),
    ({}, 9, "no text for 9 tokens"), ({"refusal": "I will not"}, 1, 'but "refusal"'),
    ({"reasoning_content": "Hm"}, 40, 'but "reasoning_content"'), ({"tool_calls": [{"id": 1}]}, 1, 'but "tool_calls"'),
])
def test_no_content_is_an_answer_only_where_it_ended_at_once(serve, data, message, tokens, words):
    server = serve("openai")

    def change(answer):
        choice = {"index": 0, "finish_reason": "stop", "message": {"content": None, **message}}
        return {"choices": [choice], "usage": {**answer["usage"], "completion_tokens": tokens}}
    server.misbehave = lambda request: Changed(change) if request.method == "POST" else None
    if words is None:
        expo("generate", word(server), data, "--limit", "1")
    else:
        said = refused(word(server), data, "--limit", "1", code=3)
        assert words in said and "prompts.jsonl:1" in said


def test_what_is_in_flight_at_a_failure_is_kept(serve, data, tmp_path):
    server = serve()
    bad = ids_of(read_rows(data)[0]["prompt"])

    def misbehave(request):
        if request.method == "GET":
            return None
        return Status(400) if request.body["prompt"] == bad else Stall(0.5)
    server.misbehave = misbehave
    message = refused(word(server), data, "-o", tmp_path / "out.jsonl", "--batch-size", "6", code=3)
    assert "prompts.jsonl:1" in message
    assert len(server.asked("/v1/completions")) == 6, "nothing is asked after a failure"
    server.misbehave = lambda request: None
    generate_again = ["-o", tmp_path / "out.jsonl", "--batch-size", "6", "--resume"]
    expo("generate", word(server), data, *generate_again)
    assert len(server.asked("/v1/completions")) == 6 + 7


def test_words_of_the_server_are_cut_and_hold_no_key(serve, data):
    server = serve()
    server.misbehave = lambda request: (Changed(
        lambda answer: {**answer, "choices": [{**answer["choices"][0], "finish_reason": f"{KEY} " + "x" * 9999}]})
        if request.method == "POST" else None)
    message = refused(word(server), data, "--key-variable", "MY_KEY", code=3, env=os.environ | {"MY_KEY": KEY})
    assert KEY not in message and "[the key] xxx" in message and len(message) < 900


@pytest.mark.parametrize("root", ["./model", "a/b/c", "model"])
def test_a_place_that_is_relative_to_the_servers_folder_is_refused(serve, data, tmp_path, folder, root):
    server = serve(root=root)
    message = refused(word(server), data, "--limit", "1", code=3, cwd=tmp_path)
    assert "relative to a folder that it does not tell" in message and "--tokenizer" in message
    expo("generate", word(server), data, "--limit", "1", "--tokenizer", folder, cwd=tmp_path)


def test_a_tokenizer_that_is_not_here_is_asked_for(serve, data, folder):
    server = serve(root="/nowhere/model")
    assert "--tokenizer names where they are" in refused(word(server), data, code=3)
    done = expo("generate", word(server), data, "--limit", "1", "--tokenizer", folder)
    assert len(done.stdout.splitlines()) == 1


def test_misbehaviour_leaves_the_answers_as_they_are(serve, data, tmp_path):
    calm, wild = serve(), serve()
    generate(calm, data, tmp_path / "calm.jsonl")
    seen = {}
    actions = [Status(429, {"retry-after-ms": "20"}), Status(500), Half(), Reset(), Stall(0.3),
               Status(200, body=b"[1, 2")]

    def misbehave(request):
        if request.method == "GET":
            return None
        key = tuple(request.body["prompt"])
        first = key not in seen
        seen.setdefault(key, actions[len(seen) % len(actions)])
        return seen[key] if first else None
    wild.misbehave = misbehave
    generate(wild, data, tmp_path / "wild.jsonl")
    assert (tmp_path / "wild.jsonl").read_bytes() == (tmp_path / "calm.jsonl").read_bytes()
    assert len(wild.asked("/v1/completions")) >= 22


@pytest.mark.parametrize("action, code, words", [
    (Status(400, body={"error": {"message": "the prompt is too long"}}), 3, 'status 400: "the prompt is too long"'),
    (Changed(lambda answer: {}), 3, 'has no "choices"'),
    (Changed(lambda answer: {**answer, "choices": answer["choices"] * 2}), 3, "does not have 1 row"),
    (Changed(lambda answer: {"choices": [{**answer["choices"][0], "finish_reason": "abort"}]}), 3, '"abort"'),
    (Changed(lambda answer: {**answer, "usage": None}), 3, '"completion_tokens"'),
], ids=lambda value: value if isinstance(value, str) else "")
def test_a_failure_names_the_row_and_keeps_what_is_finished(serve, data, tmp_path, action, code, words):
    server = serve()
    bad = ids_of(read_rows(data)[7]["prompt"])
    server.misbehave = lambda request: action if request.method == "POST" and request.body["prompt"] == bad else None
    out = ["-o", tmp_path / "out.jsonl", "--batch-size", "1", "--max-new-tokens", "40"]
    message = refused(word(server), data, *out, code=code)
    assert words in message and "prompts.jsonl:8" in message and "--resume" in message
    assert not (tmp_path / "out.jsonl").exists()
    server.misbehave = lambda request: None
    server.requests.clear()
    expo("generate", word(server), data, *out, "--resume")
    assert len(server.asked("/v1/completions")) == 5
    generate(server, data, tmp_path / "again.jsonl")
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "again.jsonl").read_bytes()


def test_a_killed_run_goes_on_to_the_same_bytes(serve, data, tmp_path):
    server = serve()
    generate(server, data, tmp_path / "whole.jsonl", "--n", "4", "--temperature", "1")
    server.pause, server.requests = 0.2, []
    command = [EXPO, "generate", word(server), data, "-o", tmp_path / "out.jsonl", "--max-new-tokens", "40", "--n", "4",
               "--temperature", "1", "--batch-size", "4"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(server.asked("/v1/completions")) < 40:  # two seconds, of which the last one's may be lost
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    server.pause = 0
    before = len(server.asked("/v1/completions"))
    done = subprocess.run([*command, "--resume"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(server.asked("/v1/completions")) - before <= 48 - 16
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_a_key_shows_up_nowhere(serve, data, tmp_path):
    server = serve()
    server.pause = 0.5
    environment = os.environ | {"MY_KEY": KEY}
    out = tmp_path / "out.jsonl"
    process = subprocess.Popen([EXPO, "generate", word(server), data, "-o", out, "--key-variable", "MY_KEY"],
                               env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    while not server.asked("/v1/completions"):
        time.sleep(0.01)
    command_line = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    written = process.communicate()[0] + command_line
    for path in tmp_path.rglob("*"):
        written += path.read_bytes() if path.is_file() else b""
    assert process.returncode == 0
    assert KEY.encode() not in written
    assert all(request.headers["Authorization"] == f"Bearer {KEY}" for request in server.requests)
    server.pause = 0
    server.misbehave = lambda request: Status(401, body={"error": {"message": f"wrong key: {KEY}"}})
    words = refused(word(server), data, "--key-variable", "MY_KEY", code=4, env=environment)
    assert KEY not in words and "wrong key: [the key]" in words
    assert "MY_KEY is not set" in refused(word(server), data, "--key-variable", "MY_KEY", code=2)


def test_prompts_beyond_the_servers_context_are_named_before_anything_runs(serve, data, tmp_path):
    server = serve(context=12)
    assert "the model's context holds 12" in refused(word(server), data, code=3)
    assert not server.asked("/v1/completions")
    long = sum(len(ids_of(row["prompt"])) + 1 > 12 for row in read_rows(data))
    generate(server, data, tmp_path / "out.jsonl", "--skip-too-long")
    assert len(read_rows(tmp_path / "out.jsonl")) == 12 - long < 12


def test_an_answer_may_fill_the_context_and_no_more(serve, data, tmp_path):
    for server in (serve(context=24), serve("llama", context=24)):
        expo("generate", word(server), data, "-o", tmp_path / f"{server.dialect}.jsonl", "--skip-too-long")
        name = "max_tokens" if server.dialect == "vllm" else "n_predict"
        bodies = server.asked(path_of(server))
        assert bodies and all(len(body["prompt"]) + body[name] == (24 if server.dialect == "vllm" else 23) for body in bodies)


def test_a_model_without_a_template_is_refused(serve, data, tmp_path):
    server = serve(root=model(tmp_path / "bare", template=None))
    assert "no chat template" in refused(word(server), data, code=3)


@pytest.mark.parametrize("options, words", [
    (["--device", "cpu"], "--device has no effect"), (["--dtype", "f32"], "--dtype has no effect"), (["--deterministic"], "--deterministic has no effect"),
    (["--answer-timeout", "0"], "--answer-timeout"),
])
def test_options_without_effect_on_a_server_are_refused(serve, data, options, words):
    assert words in refused(word(serve()), data, *options, code=2)


@pytest.mark.parametrize("dialect", ["llama", "openai"])
def test_a_server_that_reads_no_checkpoints_needs_no_pair(serve, data, dialect):
    words = refused(word(serve(dialect)), data, "--sft", "x", "--alpha", "1", code=2)
    assert "--sft has no effect" in words


@pytest.mark.parametrize("name, words", [
    ("http://127.0.0.1:1", "say which kind"), ("vlm=http://127.0.0.1:1", "say which kind"),
    ("vllm=http://me:secret@127.0.0.1:1", "name or password"), ("vllm=127.0.0.1", "no address"),
    ("vllm=", "no address"),
])
def test_words_that_name_no_server_are_refused(data, name, words):
    message = refused(name, data, code=2)
    assert words in message and "secret" not in message


def test_options_of_servers_are_refused_for_a_model_that_runs_here(data, folder):
    for option in (["--tokenizer", folder], ["--key-variable", "X"], ["--answer-timeout", "5"], ["--allow-other-sampling"]):
        assert f"{option[0]} has no effect" in refused(folder, data, *option, code=2)
        assert f"{option[0]} has no effect" in refused(f"embedded={folder}", data, *option, code=2)


def test_servers_need_no_engine_here(serve, data, tmp_path):
    (tmp_path / "bin").mkdir()
    program = shutil.copy(EXPO, tmp_path / "bin/expo")
    done = subprocess.run([program, "generate", word(serve()), data, "-o", tmp_path / "out.jsonl", "--json"],
                          capture_output=True, text=True, check=True)
    summary = json.loads(done.stdout)
    assert summary["answers"] == 12 and summary["tokens"] == 72 and summary["engine"]["kind"] == "vllm"
    record = json.loads((tmp_path / "out.jsonl.run.json").read_text())
    assert record["settings"]["model"]["version"] == "0.32.0"


def test_where_nobody_listens_is_said_at_once(data):
    began = time.monotonic()
    assert "is it running" in refused("vllm=http://127.0.0.1:9", data, code=4)
    assert time.monotonic() - began < 5
