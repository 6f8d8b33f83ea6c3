"""`expo search` with a judge on a server that compares answers with the baseline's."""

import json
import re

import numpy as np
import pytest
from checkpoints import expo
from small_models import needs_engine, read_rows

from model_server import ModelServer, Status, weighed_letters

pytestmark = needs_engine

JUDGE = "gpt-4-1106-preview"


@pytest.fixture
def server():
    with ModelServer("openai", served=JUDGE) as running:
        yield running


def search(server, inputs, run, *options, **more):
    return expo("search", *inputs, "--judge", f"openai={server.url}#{JUDGE}", "-o", run, *options, **more)


def judged(server):
    """The share of the first answer by what the judge was shown: {(instruction, first, second): share}."""
    shown = {}
    for body in server.asked("/v1/chat/completions"):
        text = body["messages"][-1]["content"]
        instruction, first, second = re.findall(r'"""(.*?)"""', text, re.DOTALL)
        weights = weighed_letters(body["messages"])
        shown[instruction, first, second] = weights["m"] / (weights["m"] + weights["M"])
    return shown


def score(shown, instruction, baseline, answer):
    if baseline == answer:
        return 0.5
    if (instruction, baseline, answer) in shown:
        return 1 - shown[instruction, baseline, answer]
    return shown[instruction, answer, baseline]


def test_scores_are_preferences_over_the_answers_at_zero(server, inputs, tmp_path):
    run = tmp_path / "run"
    text = search(server, inputs, run).stdout
    result = json.loads((run / "search.json").read_text())
    texts = {row["id"]: row["prompt"] for row in read_rows(inputs[2])}
    answers = {}
    for row in read_rows(run / "answers.jsonl"):
        if "text" in row:
            answers.setdefault(row["candidate"], {})[row["prompt"]] = row["text"]
    confirming = [row["prompt"] for row in read_rows(run / "prompts.jsonl") if row["part"] == "confirming"]
    shown = judged(server)
    rows = {each["label"]: each for each in result["judged"]}
    assert result["scorer"] == f"judge {JUDGE}" and rows
    for candidate in result["candidates"]:
        if not candidate["confirming"]:
            continue
        label, zero = candidate["label"], answers["α = 0"]
        scores = [score(shown, texts[i], zero[i], answers[label][i]) for i in confirming]
        assert candidate["confirming"]["mean"] == pytest.approx(np.mean(scores), abs=1e-9)
        if label == "α = 0":
            assert candidate["confirming"]["mean"] == 0.5 and label not in rows
            continue
        assert rows[label]["win_rate"] == pytest.approx(100 * np.mean(scores), abs=1e-7)
        table = tmp_path / "a.csv"
        table.write_text("index,len_baseline,len_model,preference\n" + "".join(
            f"{n},{len(zero[i])},{len(answers[label][i])},{1 + value:.17g}\n"
            for n, (i, value) in enumerate(zip(confirming, scores))))
        alone = json.loads(expo("evaluate", "alpaca", "--annotations", table, "--other-instructions", "--json").stdout)
        for key in ("length_controlled_winrate", "length_controlled_95", "n_total", "avg_length"):
            assert rows[label][key] == pytest.approx(alone[key], abs=1e-6), key
        assert f"{label}: length-controlled win rate {alone['length_controlled_winrate']:.2f}" in text


def test_a_search_that_fails_at_the_judge_goes_on_without_paying_twice(server, inputs, tmp_path):
    whole = tmp_path / "whole"
    search(server, inputs, whole)
    asked = len(server.asked("/v1/chat/completions"))
    server.requests.clear()
    server.misbehave = lambda request: Status(401) if request.number >= 10 else None
    done = search(server, inputs, tmp_path / "run", check=False)
    assert done.returncode == 4 and "--judge-key-variable names" in done.stderr
    server.misbehave = lambda request: None
    search(server, inputs, tmp_path / "run")
    answered = [request for request in server.requests if request.method == "POST"]
    assert len(answered) <= asked + 9  # those that were refused
    results = [json.loads((folder / "search.json").read_text()) for folder in (whole, tmp_path / "run")]
    assert results[0]["candidates"] == results[1]["candidates"] and results[0]["judged"] == results[1]["judged"]


def told_costs(done):
    note = next(line for line in done.stderr.splitlines() if line.startswith("note: the judge is likely to be asked"))
    found = re.search(r"some (\d+) answers? \((\d+) tokens? for \$([\d.]+)\), .* at most about (\d+) \((\d+) tokens? for \$([\d.]+)\)",
                      note)
    return [float(each) for each in found.groups()]


def spent(server):
    """The requests, and the letters that the judge was shown."""
    bodies = server.asked("/v1/chat/completions")
    return len(bodies), sum(len(message["content"]) for body in bodies for message in body["messages"])


def test_the_costs_are_told_before_the_first_request(server, inputs, tmp_path):
    server.misbehave = lambda request: Status(401)
    done = search(server, inputs, tmp_path / "run", check=False)
    assert done.returncode == 4
    told = told_costs(done)
    server.misbehave = lambda request: None
    server.requests.clear()
    assert told_costs(search(server, inputs, tmp_path / "run")) == told
    parts = len(read_rows(tmp_path / "run" / "prompts.jsonl"))
    # Two α above 0 in the one part, and SFT and the chosen one in the other.
    assert told[0] == told[3] == 2 * parts
    asked, letters = spent(server)
    assert asked <= told[3] and letters <= told[4]
    # What it takes for equal answers, of which no judge is asked, and for those that were shorter.
    most = parts * 2 * (letters / asked + 2 * 4 * 12 + 200)
    assert told[4] <= most and told[1] == pytest.approx(letters / asked * 2 * parts / 4, rel=0.1)
    for tokens, costs in ((told[1], told[2]), (told[4], told[5])):
        assert costs == pytest.approx((tokens * 10 + told[0] * 20) / 1e6, abs=0.006)
    unpriced = expo("search", *inputs, "--judge", f"openai={server.url}#other", "-o", tmp_path / "other", check=False)
    assert "what they cost is known with --prompt-price and --completion-price" in unpriced.stderr


@pytest.mark.parametrize("options", [[], ["--strategy", "halving"], ["--n", "2", "--temperature", "1"], ["--modules"]])
def test_no_search_asks_for_more_than_was_told(server, inputs, tmp_path, options):
    place = inputs.index("--alphas")
    inputs = inputs[:place] + inputs[place + 2:]
    told = told_costs(search(server, inputs, tmp_path / "run", *options))
    asked, letters = spent(server)
    assert asked <= told[3] and letters <= told[4] and told[0] < told[3]


@pytest.mark.parametrize("options, words", [
    (["--judge", "openai=http://127.0.0.1:9#x", "--reward-model", "RM"], "more than one is given"),
    (["--objective", "judge"], "--objective judge needs --judge"),
    (["--reward-model", "RM", "--judge-requests", "3"], "--judge-requests has no effect without --judge"),
    (["--judge", "openai=http://127.0.0.1:9#x", "--budget", "3"], "the prices of x are not known"),
    (["--judge", "vllm=http://127.0.0.1:9"], "the name of the judge's model is missing"),
])
def test_wrong_use_is_refused(inputs, tmp_path, options, words):
    done = expo("search", *inputs, *options, "-o", tmp_path / "run", check=False)
    assert done.returncode == 2 and words in done.stderr, done.stderr
