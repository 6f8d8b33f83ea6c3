"""`expo generate` with servers that misbehave, that change their model, and where expo is killed."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from checkpoints import EXPO, expo
from small_models import model, read_rows

from model_server import Changed, Half, Reset, Stall, Status, word
from served_runs import generate, ids_of, path_of, refused

KEY = "sk-Secret-4711"


@pytest.fixture
def folder(tmp_path):
    return model(tmp_path / "model")


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


def test_where_nobody_listens_is_said_at_once(data):
    began = time.monotonic()
    assert "is it running" in refused("vllm=http://127.0.0.1:9", data, code=4)
    assert time.monotonic() - began < 5
