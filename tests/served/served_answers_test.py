"""`expo generate` with models that servers run, in each server's dialect."""

import json
import shutil
import subprocess

import pytest
from checkpoints import EXPO, expo
from small_models import model, read_rows, write_rows

from model_server import Changed, Status, next_tokens, text_of, word
from served_runs import generate, ids_of, path_of, refused


@pytest.fixture
def folder(tmp_path):
    return model(tmp_path / "model")


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


def test_a_full_context_is_an_answer_like_any_other(serve, data, tmp_path):
    for dialect in ("llama", "vllm"):
        server = serve(dialect, context=64, length=500)
        expo("generate", word(server), data, "-o", tmp_path / f"{dialect}.jsonl")
        rows = read_rows(tmp_path / f"{dialect}.jsonl")
        assert len(rows) == 12 and {row["finish_reason"] for row in rows} == {"length"}


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
