"""`expo search` whose answers come from servers, and several servers as one."""

import json

import pytest
from checkpoints import expo
from small_models import read_rows, write_rows

from model_server import Reset, Status, word
from served_runs import possible_answers


@pytest.fixture
def folder(models):
    return models[1]


@pytest.fixture
def policy(serve, folder):
    return lambda dialect="vllm", **settings: serve(dialect, **({"weights": folder, "context": 256} | settings))


@pytest.fixture
def data(inputs):
    return inputs[2]


@pytest.fixture
def search(inputs, tmp_path, scorer):
    def run(*servers, run="run", options=(), **more):
        policies = [option for server in servers for option in ("--policy", word(server))]
        return expo("search", *inputs, "--scorer", scorer, "-o", tmp_path / run, *policies, *options,
                    **more)
    return run


@pytest.fixture
def staging(tmp_path):
    return ["--staging-dir", tmp_path / "staging"]


def is_answer(request):
    return request.path == "/v1/completions" and request.body.get("prompt_logprobs") is None


def check_answers(run, data, mark):
    """That each answer is that of its α, by the servers' rule; `mark` is the last token of what they read there."""
    asked = {row["id"]: row["prompt"] for row in read_rows(data)}
    counts = {}
    for row in read_rows(run / "answers.jsonl"):
        if "text" not in row:
            continue
        alpha = float(row["candidate"].removeprefix("α = ").replace("−", "-"))
        assert row["text"] in possible_answers(asked[row["prompt"]], mark(alpha))
        counts[alpha] = counts.get(alpha, 0) + 1
    assert set(counts) == {-1, 0, 0.5, 3} and min(counts.values()) >= 5
    return counts


def test_a_search_moves_the_server_to_each_alpha(policy, search, staging, at, data, tmp_path):
    server = policy()
    search(server, options=staging)
    check_answers(tmp_path / "run", data, lambda alpha: int(at(alpha)[:4], 16))
    result = json.loads((tmp_path / "run/search.json").read_text())
    assert result["setting"]["dtype"] == "float32" and result["engine"]["kind"] == "vllm"
    assert set(server.reloads) == {at(alpha) for alpha in (-1, 0, 0.5, 3)}
    compared = [each for each in result["candidates"] if each["confirming"]]
    assert compared and all(each["drift_from_sft"] is not None for each in compared), "vLLM tells log-probabilities"
    assert (tmp_path / "run/report.html").exists()
    asked = len(server.requests)
    search(server, options=staging)
    assert not [request for request in server.requests[asked:] if is_answer(request)], "it is finished"


def test_a_search_that_ended_early_goes_on(policy, search, staging, data, at, tmp_path):
    server = policy()

    def fail(request):
        answers = [each for each in server.requests if is_answer(each)] if is_answer(request) else []
        return Status(400) if len(answers) > 40 else None
    server.misbehave = fail
    assert search(server, options=staging, check=False).returncode == 3
    server.misbehave = lambda request: None
    kept = sum("text" in row for row in read_rows(tmp_path / "run/answers.jsonl"))
    before = sum(map(is_answer, (each for each in server.requests if each.method == "POST")))
    search(server, options=staging)
    counts = check_answers(tmp_path / "run", data, lambda alpha: int(at(alpha)[:4], 16))
    after = sum(map(is_answer, (each for each in server.requests if each.method == "POST")))
    assert kept >= 20 and after - before == sum(counts.values()) - kept


def test_the_type_of_all_alpha_is_the_servers(policy, search, staging, tmp_path):
    search(policy(dtype="bfloat16"), options=[*staging, "--rounding", "stochastic", "--rounding-seed", "5"])
    result = json.loads((tmp_path / "run/search.json").read_text())
    assert result["setting"] == {"dtype": "bfloat16", "rounding": "stochastic", "rounding_seed": 5}
    assert all(each["effective_alpha"] is not None for each in result["candidates"])


def test_llama_server_takes_alpha_as_a_scale(policy, search, data, tmp_path):
    server = policy("llama", weights=None)
    server.adapters = ["delta.gguf"]
    done = search(server, options=["--presence-penalty", "0", "--frequency-penalty", "0"])
    check_answers(tmp_path / "run", data, lambda alpha: round(1000 * (1 + alpha)))
    result = json.loads((tmp_path / "run/search.json").read_text())
    assert all(each["drift_from_sft"] is None for each in result["candidates"]), "it tells no log-probabilities"
    assert all(each["effective_alpha"] is None for each in result["candidates"])
    assert "scale of the server's adapter" in done.stderr


@pytest.mark.parametrize("options, words", [
    (["--policy", "openai=http://127.0.0.1:9"], "no server that can move"),
    (["--policy", "/some/model"], "no server that can move"),
    (["--policy", "vllm=http://127.0.0.1:9"], "--staging-dir"),
    (["--policy", "vllm=http://127.0.0.1:9", "--policy", "llama-server=http://127.0.0.1:8"], "of one kind"),
    (["--policy", "llama-server=http://127.0.0.1:9", "--second-implicit"], "no log-probabilities"),
    (["--policy", "llama-server=http://127.0.0.1:9", "--staging-dir", "S"], "no effect"),
    (["--policy", "vllm=http://127.0.0.1:9", "--staging-dir", "S", "--device", "cpu"], "--device has no effect"),
    (["--staging-dir", "S"], "--staging-dir has no effect"), (["--allow-other-sampling"], "has no effect"),
    (["--policy-key-variable", "K"], "has no effect")])
def test_what_a_policy_on_a_server_cannot_do_is_refused(search, options, words):
    done = search(options=options, check=False)
    assert done.returncode == 2 and words in done.stderr, done.stderr


def test_several_servers_share_the_prompts(policy, search, staging, at, data, tmp_path):
    servers = [policy(), policy()]
    search(*servers, options=staging)
    counts = check_answers(tmp_path / "run", data, lambda alpha: int(at(alpha)[:4], 16))
    answers = [[each for each in server.requests if is_answer(each)] for server in servers]
    assert sum(map(len, answers)) == sum(counts.values()) and all(answers), "each answer is made once"
    assert servers[0].reloads == servers[1].reloads, "both are moved"


@pytest.mark.parametrize("when", ["answers", "reload"])
def test_a_server_that_dies_is_left_out_and_named(policy, search, staging, at, data, tmp_path, when):
    servers = [policy(), policy()]
    dying = servers[1]

    def die(request):
        is_late = (is_answer(request) and len(dying.asked("/v1/completions")) > 60 if when == "answers"
                   else len(dying.reloads) > 4)
        if is_late and not getattr(dying, "is_dead", False):
            dying.is_dead = True
        return Reset() if getattr(dying, "is_dead", False) else None
    dying.misbehave = die
    done = search(*servers, options=staging)
    assert f"{dying.url}: this server is left out from now on" in done.stderr
    check_answers(tmp_path / "run", data, lambda alpha: int(at(alpha)[:4], 16))


def test_the_last_server_that_dies_ends_the_work(policy, models, data, tmp_path):
    servers = [policy(), policy()]
    for server in servers:
        server.misbehave = lambda request: Reset() if request.path == "/v1/completions" else None
    done = expo("generate", f"vllm={servers[0].url},{servers[1].url}", data, "-o", tmp_path / "out.jsonl", check=False)
    assert done.returncode == 4 and "connection broke" in done.stderr


def test_a_server_that_is_not_there_from_the_start_is_left_out(policy, data, tmp_path):
    server = policy(weights=None)
    done = expo("generate", f"vllm=http://127.0.0.1:9,{server.url}", data, "-o", tmp_path / "out.jsonl")
    assert "http://127.0.0.1:9: this server is left out" in done.stderr
    assert len(read_rows(tmp_path / "out.jsonl")) == len(read_rows(data))


def test_servers_of_other_versions_are_no_pool(policy, data, tmp_path):
    servers = [policy(), policy(served="other")]
    done = expo("generate", f"vllm={servers[0].url},{servers[1].url}", data, "-o", tmp_path / "out.jsonl", check=False)
    assert done.returncode == 3 and servers[1].url in done.stderr and "must be alike" in done.stderr


def test_scores_of_several_servers_are_in_the_order_of_the_rows(policy, data, tmp_path):
    rows = [{"prompt": row["prompt"], "answer": f"w{10 + i} w9"} for i, row in enumerate(read_rows(data))]
    answers = write_rows(tmp_path / "answers.jsonl", rows)
    one, two = policy(weights=None), policy(weights=None)
    expo("score", word(one), answers, "-o", tmp_path / "one.jsonl", "--log-probs")
    expo("score", f"vllm={one.url},{two.url}", answers, "-o", tmp_path / "both.jsonl", "--log-probs", "--batch-size", "2")
    assert two.asked("/v1/completions")
    assert (tmp_path / "one.jsonl").read_text() == (tmp_path / "both.jsonl").read_text()
