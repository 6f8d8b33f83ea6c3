"""`expo score` with models that servers run."""

import numpy as np
import pytest
from checkpoints import expo
from small_models import model, prompts, read_rows, write_rows

from model_server import Changed, Status, log_prob, reward, word



@pytest.fixture
def folder(tmp_path):
    return model(tmp_path / "model", "llama_reward")


@pytest.fixture
def pairs():
    texts = prompts(np.random.default_rng(11), 40)
    return list(zip(texts[:20], texts[20:]))


@pytest.fixture
def data(tmp_path, pairs):
    return write_rows(tmp_path / "answers.jsonl", [{"prompt": prompt, "output": answer} for prompt, answer in pairs])


def ids_of(prompt, answer):
    """The template's tokens of a conversation, by the rule of small_models.py."""
    return [3, *numbers(prompt), 4, *numbers(answer)]


def numbers(text):
    return [int(word[1:]) for word in text.split()]


def score(server, data, out, *options):
    expo("score", word(server), data, "-o", out, *options)
    return read_rows(out)


def refused(server, data, *options, code):
    done = expo("score", word(server), data, *options, check=False)
    assert done.returncode == code, done.stderr
    return done.stderr


def expected_rewards(pairs):
    return [reward(ids_of(*pair)) for pair in pairs]


def posted(change):
    return lambda request: Changed(change) if request.method == "POST" else None


def test_rewards_are_raw(serve, data, pairs, tmp_path):
    server = serve()
    rows = score(server, data, tmp_path / "out.jsonl")
    assert [row["reward"] for row in rows] == pytest.approx(expected_rewards(pairs), abs=1e-6)
    bodies = server.asked("/classify")
    assert [body["use_activation"] for body in bodies].count(True) == 1, "asked once, to see that it is known"
    assert all(body["add_special_tokens"] is False and body["model"] == "small" for body in bodies)


def test_rewards_by_pooling_where_there_is_no_classify(serve, data, pairs, tmp_path):
    server = serve(labels=2)
    server.without = {"/classify"}
    rows = score(server, data, tmp_path / "out.jsonl")
    assert [row["reward"] for row in rows] == [pytest.approx([value, value + 1]) for value in expected_rewards(pairs)]
    assert len(server.asked("/classify")) == 1


def test_rows_out_of_order_are_put_in_order(serve, data, pairs, tmp_path):
    server = serve()
    server.misbehave = posted(lambda answer: {"data": answer["data"][::-1]})
    rows = score(server, data, tmp_path / "out.jsonl")
    assert [row["reward"] for row in rows] == pytest.approx(expected_rewards(pairs), abs=1e-6)


@pytest.mark.parametrize("change, words", [
    (lambda answer: {"data": answer["data"][1:]}, "does not have"),
    (lambda answer: {"data": [{**row, "index": 0} for row in answer["data"]]}, "index 0 twice"),
    (lambda answer: {"data": [{**row, "index": 9} for row in answer["data"]]}, "index 9 that was not asked for"),
    (lambda answer: {"data": [{**row, "probs": [float("nan")]} for row in answer["data"]]}, "a reward is NaN"),
    (lambda answer: {"data": [{**row, "probs": []} for row in answer["data"]]}, "no reward"),
    (lambda answer: {"data": [{**row, "probs": [None]} for row in answer["data"]]}, "null where a reward"),
], ids=["missing", "doubled", "unasked", "NaN", "empty", "null"])
def test_rows_that_will_not_do_are_refused(serve, data, change, words):
    server = serve()
    server.misbehave = posted(change)
    message = refused(server, data, code=3)
    assert words in message and server.url in message


def test_a_server_that_leaves_the_activation_on_is_found(serve, data):
    server = serve()
    server.activates_always = True
    assert "the same reward with and without an activation" in refused(server, data, code=3)
    assert len(server.asked("/classify")) == 2


@pytest.mark.parametrize("dialect", ["vllm", "openai"])
def test_log_probs_are_those_of_the_answers_tokens(serve, data, pairs, tmp_path, folder, dialect):
    server = serve(dialect)
    options = ["--tokenizer", folder] if dialect == "openai" else []
    rows = score(server, data, tmp_path / "out.jsonl", "--log-probs", *options)
    for row, (prompt, answer) in zip(rows, pairs, strict=True):
        tokens = ids_of(prompt, answer)
        places = range(len(numbers(prompt)) + 2, len(tokens))
        assert row["log_prob"] == pytest.approx(sum(log_prob(tokens, place) for place in places), abs=1e-5)
        assert row["answer_tokens"] == len(places)
    assert all(body["temperature"] == 1 for body in server.asked("/v1/completions"))


def test_log_probs_that_are_no_numbers_are_named(serve, data, pairs):
    server = serve()

    def broken(answer):
        for row in answer["choices"][0]["prompt_logprobs"][1:]:
            for entry in row.values():
                entry["logprob"] = float("nan")
        return answer
    server.misbehave = posted(broken)
    message = refused(server, data, "--log-probs", code=3)
    assert "is NaN" in message and "the log-probability of token" in message and "answers.jsonl:" in message


def test_a_server_without_log_probs_is_named(serve, data, folder):
    server = serve("openai")
    server.misbehave = posted(lambda answer: {**answer, "choices": [{**answer["choices"][0], "logprobs": None}]})
    assert "gives no log-probabilities" in refused(server, data, "--log-probs", "--tokenizer", folder, code=3)
    assert "--tokenizer" in refused(server, data, "--log-probs", code=2)


@pytest.mark.parametrize("dialect, options, words", [
    ("llama", ["--log-probs"], "cannot compute log-probabilities"), ("llama", [], "cannot compute rewards"),
    ("openai", [], "cannot compute rewards"),
])
def test_what_a_server_cannot_do_is_refused(serve, data, dialect, options, words):
    assert words in refused(serve(dialect), data, *options, code=2)


@pytest.mark.parametrize("value, words", [(0.5, "is 0.5"), (1e300, "is 1e+300"), (-1e39, "is -1e+39")])
def test_log_probs_that_no_model_has_are_refused(serve, data, value, words):
    server = serve()

    def broken(answer):
        for row in answer["choices"][0]["prompt_logprobs"][1:]:
            for entry in row.values():
                entry["logprob"] = value
        return answer
    server.misbehave = posted(broken)
    assert words in refused(server, data, "--log-probs", code=3)


def test_a_broken_reward_names_its_row(serve, data, pairs):
    server = serve()
    bad = ids_of(*pairs[9])

    def misbehave(request):
        if request.method == "GET" or bad not in request.body["input"]:
            return None
        place = request.body["input"].index(bad)
        return Changed(lambda answer: {"data": [{**row, "probs": [float("nan")]} if row["index"] == place else row
                                                for row in answer["data"]]})
    server.misbehave = misbehave
    assert "answers.jsonl:10: " in refused(server, data, code=3)


def test_a_failed_request_for_rewards_names_its_rows(serve, data, pairs):
    server = serve()
    bad = ids_of(*pairs[9])
    server.misbehave = lambda request: (Status(400, body={"detail": "no"})
                                        if request.method == "POST" and bad in request.body["input"] else None)
    message = refused(server, data, code=3)
    asked = next(body["input"] for body in server.asked("/classify") if bad in body["input"])
    rows = [number + 1 for number, pair in enumerate(pairs) if ids_of(*pair) in asked]
    assert len(rows) == 4
    assert "one of " + ", ".join(f"answers.jsonl:{row}" for row in rows) in message.replace(
        str(data), "answers.jsonl") or all(f"answers.jsonl:{row}" in message for row in rows)


def test_rewards_count_only_if_the_model_is_the_same_after_them(serve, data, tmp_path):
    server = serve()
    server.misbehave = lambda request: (Changed(lambda answer: {"data": [{**answer["data"][0], "root": "/other"}]})
                                        if request.path == "/v1/models" and request.number >= 7 else None)
    assert "another model now" in refused(server, data, "-o", tmp_path / "out.jsonl", code=3)
    assert len(server.asked("/classify")) == 7


def test_a_failure_names_the_row(serve, data, pairs):
    server = serve()
    bad = ids_of(*pairs[9])
    server.misbehave = lambda request: (Status(400, body={"detail": "no"})
                                        if request.method == "POST" and request.body["prompt"] == bad else None)
    assert "answers.jsonl:10" in refused(server, data, "--log-probs", code=3)
