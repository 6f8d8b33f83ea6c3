"""`expo evaluate alpaca` with a judge that misbehaves, costs that are kept within bounds, and where expo is killed."""

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from checkpoints import EXPO

from judge_runs import JUDGE, ROWS, alpaca, figures, preferences, prompts, read, refused, word
from model_server import Changed, Half, Reset, Stall, Status

KEY = "sk-Secret-4711"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "none"


def first_time(action, rows):
    """Misbehaves at the first request of each of these rows."""
    seen = set()

    def misbehave(request):
        if request.method == "GET":
            return None
        text = request.body["messages"][-1]["content"]
        for row in rows:
            if f"Instruction {row}:" in text and row not in seen:
                seen.add(row)
                return action
        return None
    return misbehave


def always(action, rows):
    return lambda request: action if request.method == "POST" and any(
        f"Instruction {row}:" in request.body["messages"][-1]["content"] for row in rows) else None


def broken(change):
    def whole(answer):
        if "choices" in answer:
            change(answer["choices"][0])
        return answer
    return Changed(whole)


def set_log_probs(value):
    def change(choice):
        for entry in choice["logprobs"]["content"][0]["top_logprobs"]:
            entry["logprob"] = value
    return broken(change)


def set_letters(choice):
    for entry in choice["logprobs"]["content"][0]["top_logprobs"]:
        entry["token"] = "neither"


NO_LETTER = broken(set_letters)
NO_LOG_PROBS = broken(lambda choice: choice.update(logprobs=None))


@pytest.mark.parametrize("action, asked", [
    (Status(429, {"retry-after-ms": "40"}), 1), (Status(429, {"Retry-After": "1"}), 1), (Status(500), 1), (Status(409), 1),
    (Half(), 2), (Reset(), 2), (Status(200, body=b'{"choices": ['), 2), (Status(200, body={"choices": []}), 2),
    (set_log_probs(float("nan")), 2), (set_log_probs(None), 2), (NO_LETTER, 2), (NO_LOG_PROBS, 2),
], ids=["429", "429 with a time", "500", "409", "half", "reset", "no JSON", "no choice", "NaN", "null", "no letter",
        "no log-probs"])
def test_what_goes_wrong_once_is_asked_again(judge, files, pairs, tmp_path, action, asked):
    server = judge()
    server.misbehave = first_time(action, [3, 11])
    row = figures(server, files, tmp_path / "a.json")
    expected = preferences(server, pairs)
    assert [each["preference"] for each in read(tmp_path / "a.json")] == pytest.approx(expected, abs=1e-12)
    assert row["n_failed"] == 0 and row["judging"]["requests"] == ROWS - 1 + 2 * (asked - 1)
    texts = prompts(server)
    assert [sum(f"Instruction {i}:" in text for text in texts) for i in (3, 11, 12)] == [2, 2, 1]


def test_what_may_have_been_billed_counts_at_its_worst(judge, files, tmp_path):
    server = judge()
    whole = figures(server, files, tmp_path / "a.json")["judging"]
    server = judge()
    server.misbehave = first_time(Half(), [3, 11])
    halved = figures(server, files, tmp_path / "b.json")["judging"]
    assert halved["prompt_tokens"] == whole["prompt_tokens"]
    # Two prompts more, at a token for each byte instead of four.
    assert halved["cost"] - whole["cost"] > 2 * 3 * whole["cost"] / ROWS


@pytest.mark.parametrize("action, words, times", [
    (NO_LETTER, "the judge weighed neither m nor M, but \"neither\"", 3),
    (set_log_probs(float("nan")), "the log-probability of a letter is not a number", 3),
    (NO_LOG_PROBS, "came without log-probabilities", 3),
    (Status(400, body={"error": {"message": "too long"}}), "status 400: \"too long\"", 1),
    (broken(lambda choice: choice["message"].update(refusal="No.", content=None)), "the judge refuses: \"No.\"", 3),
], ids=["no letter", "NaN", "no log-probs", "400", "refusal"])
def test_rows_that_fail_are_named_counted_and_asked_again_later(judge, files, pairs, tmp_path, action, words, times):
    server, out = judge(), tmp_path / "a.json"
    server.misbehave = always(action, [4])
    message = refused(*files, "--judge", word(server), "-o", out, code=3)
    assert "model.json: entry 5: there is no preference" in message and words in message
    assert "1 of 30 rows has no preference" in message and "--resume" in message and "--allow-missing" in message
    assert sum("Instruction 4:" in text for text in prompts(server)) == times
    assert [i for i, each in enumerate(read(out)) if each["preference"] is None] == [4]

    row = figures(server, files, out, "--resume", "--allow-missing")
    expected = preferences(server, pairs)
    assert (row["n_failed"], row["n_total"]) == (1, ROWS - 1) and "over 29 of 30 rows" in row["notes"][0]
    assert row["win_rate"] == pytest.approx(100 * np.mean(np.delete(expected, 4) - 1), abs=1e-9)

    server.misbehave = lambda request: None
    before = len(prompts(server))
    row = figures(server, files, out, "--resume")
    assert len(prompts(server)) == before + 1
    assert row["judging"]["reused"] == ROWS - 2 and row["judging"]["asked"] == 1 and row["n_failed"] == 0
    assert [each["preference"] for each in read(out)] == pytest.approx(expected, abs=1e-12)


def test_a_late_answer_is_not_asked_for_twice(judge, files, tmp_path):
    server = judge()
    server.misbehave = first_time(Stall(14), [6])
    options = ["--judge-timeout", "0.5", "--allow-missing"]
    done = alpaca(server, files, tmp_path / "a.json", "--json", *options)
    row = json.loads(done.stdout)
    assert sum("Instruction 6:" in text for text in prompts(server)) == 1
    assert row["n_failed"] == 1 and row["judging"]["requests"] == ROWS - 1
    assert "entry 7: there is no preference" in done.stderr and "there was no answer within 0.5 s" in done.stderr


@pytest.mark.parametrize("action, code, words", [
    (Status(401, body={"error": {"message": "no key"}}), 4, "--judge-key-variable names the environment variable"),
    (Status(429, body={"error": {"message": "pay", "code": "insufficient_quota"}}), 4, "status 429: \"pay\""),
    (Status(402), 3, "status 402"), (Status(404), 3, "status 404"), (Status(302, {"Location": "/"}), 2, "redirections"),
    (Status(400, body={"error": "no logprobs"}), 4, "the 7 requests before it failed too"),
    (NO_LOG_PROBS, 4, "the first 8 answers of gpt-4-1106-preview came without log-probabilities"),
], ids=["401", "no credit", "402", "404", "302", "400", "no log-probs"])
def test_a_judge_that_answers_nothing_ends_the_run_and_writes_nothing(judge, files, tmp_path, action, code, words):
    server = judge()
    server.misbehave = lambda request: action if request.method == "POST" else None
    message = refused(*files, "--judge", word(server), "-o", tmp_path / "a.json", code=code)
    assert words in message and len(prompts(server)) <= 16
    assert not (tmp_path / "a.json").exists()


def test_nobody_there_is_told_at_once(files, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    message = refused(*files, "--judge", f"openai=http://127.0.0.1:{port}#{JUDGE}", "-o", tmp_path / "a.json", code=4)
    assert "cannot be reached" in message and not (tmp_path / "a.json").exists()


def test_a_run_that_is_killed_goes_on_without_paying_twice(judge, files, pairs, tmp_path):
    server, out, in_flight = judge(), tmp_path / "a.json", 4
    command = [EXPO, "evaluate", "alpaca", *files, "--judge", word(server), "-o", out, "--judge-requests", str(in_flight)]
    kept = Path(str(out) + ".replies.jsonl")
    kills = 0
    while kills < 4:
        server.pause, stop = 0.02, len(prompts(server)) + 5
        run = subprocess.Popen([str(each) for each in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while len(prompts(server)) < stop and run.poll() is None:
            time.sleep(0.002)
        run.send_signal(signal.SIGKILL)
        run.wait()
        assert not out.exists()
        kills += 1
    server.pause = 0
    # Those that a killed run had asked for may still be on their way to the server.
    while server.in_flight:
        time.sleep(0.01)
    before = len(prompts(server))
    replies = sum(line.startswith('{"key"') and line.endswith("}\n") for line in kept.read_text().splitlines(True))
    row = figures(server, files, out, "--judge-requests", in_flight)
    assert len(prompts(server)) - before == ROWS - 1 - replies == row["judging"]["asked"]
    assert len(prompts(server)) <= ROWS - 1 + kills * in_flight
    assert row["judging"]["cached"] == replies > 0
    whole = tmp_path / "whole.json"
    figures(server, files, whole)
    assert whole.read_bytes() == out.read_bytes()


def test_a_budget_is_kept_with_requests_in_flight(judge, files, tmp_path):
    server, out = judge(), tmp_path / "a.json"
    server.pause = 0.01
    prices = ["--prompt-price", "1000", "--completion-price", "2000"]
    estimate = json.loads(alpaca(server, files, out, *prices, "--dry-run", "--json").stdout)
    budget = estimate["likely_cost"] / 2
    message = refused(*files, "--judge", word(server), "-o", out, *prices, "--budget", budget, "--judge-requests", "16",
                      code=3)
    assert f"the budget of ${budget:g} did not suffice" in message
    tokens = sum(sum(len(part["content"]) for part in body["messages"]) // 4
                 for body in server.asked("/v1/chat/completions"))
    spent = (tokens * 1000 + len(prompts(server)) * 2000) / 1e6
    assert 0.3 * budget < spent <= budget
    assert [each["preference"] is not None for each in read(out)].count(True) == len(prompts(server)) + 1
    # The next run goes on from there.
    row = figures(server, files, out, *prices, "--resume")
    assert len(prompts(server)) == ROWS - 1 and row["n_failed"] == 0


def test_the_key_is_sent_and_stands_nowhere(judge, files, tmp_path):
    server, out = judge(), tmp_path / "a.json"
    environment = os.environ | {"JUDGE_KEY": KEY}
    server.pause = 0.05
    server.misbehave = always(Status(400, body={"error": {"message": f"key {KEY} may not"}}), [4])
    command = [EXPO, "evaluate", "alpaca", *files, "--judge", word(server), "-o", out, "--judge-key-variable", "JUDGE_KEY"]
    run = subprocess.Popen([str(each) for each in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                           env=environment)
    while not prompts(server):
        time.sleep(0.005)
    assert KEY not in Path(f"/proc/{run.pid}/cmdline").read_text()
    printed = "".join(run.communicate())
    assert {request.headers.get("Authorization") for request in server.requests} == {f"Bearer {KEY}"}
    assert "[the key]" in printed and KEY not in printed and out.exists()
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path
    assert "JUDGE_KEY is not set" in refused(*command[3:], code=2) and len(prompts(server)) == ROWS - 1


def test_a_judge_whose_certificate_is_not_trusted_is_shown_nothing(certificate, judge, files, tmp_path):
    own, other, out = certificate("judge"), certificate("other"), tmp_path / "a.json"
    server = judge(tls=own)
    environment = os.environ | {"JUDGE_KEY": KEY}
    options = [*files, "--judge", word(server), "-o", out, "--judge-key-variable", "JUDGE_KEY"]
    for trusted in ({}, {"SSL_CERT_FILE": str(other[0])}):
        message = refused(*options, code=4, env=environment | trusted)
        assert "certificate is not accepted" in message and not server.requests and not out.exists()
    row = figures(server, files, out, *options[-2:], env=environment | {"SSL_CERT_FILE": str(own[0])})
    assert row["n_failed"] == 0 and len(prompts(server)) == ROWS - 1


def test_another_model_on_the_server_is_refused(judge, files, tmp_path):
    server = judge(served="another")
    message = refused(*files, "--judge", word(server), "-o", tmp_path / "a.json", code=3)
    assert f"the server does not have {JUDGE}, but another" in message and not prompts(server)
