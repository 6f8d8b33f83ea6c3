"""The pages, prompts and sessions that `expo search` and `expo train` leave in their folders."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time

import pytest

from checkpoints import EXPO, expo
from pages import decoded, expected_answers, expected_prompts, lines, only_run, shown_answers, shown_prompts
from search_test import NEW, command, confirming, models, search  # noqa: F401 (models is a fixture)
from small_models import needs_engine, read_rows, write_rows

pytestmark = needs_engine
MOMENT = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def naming(folder):
    return f"the page that shows it: {folder / 'report.html'}\n"


def assert_whole(run, arguments, sessions=1):
    """The page of a finished search holds what its folder holds."""
    data = decoded(run / "report.html")
    page = only_run(run / "report.html")
    assert shlex.split(data["command"]) == ["expo", *map(str, arguments)]
    assert page["result"] == json.loads((run / "search.json").read_text())
    assert page["settings"] == json.loads((run / "run.json").read_text())
    assert page["looks"] == lines(run / "trace.jsonl") != []
    assert {each: tuple(row) for each, row in shown_prompts(page).items()} == expected_prompts(run)
    assert shown_answers(page) == expected_answers(run)
    assert len(page["sessions"]) == sessions
    last = page["sessions"][-1]
    assert MOMENT.fullmatch(last["started"]) and MOMENT.fullmatch(last["ended"]) and last["started"] <= last["ended"]
    assert last["machine"]["instructions"] == page["result"]["engine"]["instructions"]
    assert last["machine"]["device"] == page["result"]["engine"]["device"]
    assert last["machine"]["cores"] == len(os.sched_getaffinity(0))
    assert last["machine"]["memory"] == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert last["expo"] == page["result"]["expo"]
    return page


def test_a_search_ends_with_its_page(tmp_path, models):
    run = tmp_path / "run"
    arguments = command(models, run, "--alphas", "0.5,3", "--n", "2")
    done = expo(*arguments)
    assert done.stdout.endswith(naming(run))
    page = assert_whole(run, arguments)
    assert page["missing"] == []
    rows = {row["id"]: row["prompt"] for row in read_rows(models["data"])}
    apart = set(confirming(rows.values()))
    assert {each: (part, text) for each, (part, text, _) in shown_prompts(page).items()} == {
        each: ("confirming" if text in apart else "choosing", text) for each, text in rows.items()}
    answered = sum(each[1] is not None for each in shown_answers(page).values())
    assert answered == len(shown_answers(page)) > 100
    assert shlex.split(page["sessions"][0]["command"]) == ["expo", *map(str, arguments)]
    # Scores of the deciding objective are those that the result is made of.
    for row in page["result"]["candidates"]:
        scores = {}
        for (label, prompt, _), (_, score, _, _) in shown_answers(page).items():
            if label == row["label"] and shown_prompts(page)[prompt][0] == "confirming":
                scores.setdefault(prompt, []).append(score)
        if row["confirming"]:
            means = [sum(each) / len(each) for each in scores.values()]
            assert sum(means) / len(means) == pytest.approx(row["confirming"]["mean"])


def test_a_finished_search_keeps_its_page(tmp_path, models):
    run = tmp_path / "run"
    first = search(models, run, "--alphas", "1", "--json")
    assert first.stdout == (run / "search.json").read_text()
    assert first.stderr.endswith(naming(run))
    page = (run / "report.html").read_bytes()
    sessions = (run / "sessions.jsonl").read_bytes()
    again = search(models, run, "--alphas", "1")
    assert again.stdout.endswith(naming(run))
    assert (run / "report.html").read_bytes() == page
    (run / "report.html").unlink()
    assert search(models, run, "--alphas", "1").stdout == again.stdout
    assert only_run(run / "report.html")["result"] == json.loads(first.stdout)
    assert (run / "sessions.jsonl").read_bytes() == sessions


def test_a_page_that_is_older_than_the_result_is_made_anew(tmp_path, models):
    run = tmp_path / "run"
    search(models, run, "--alphas", "1")
    made = (run / "search.json").stat().st_mtime_ns
    (run / "report.html").write_text("of an earlier moment, as the search was killed before it wrote its page")
    os.utime(run / "report.html", ns=(made - 1, made - 1))
    search(models, run, "--alphas", "1")
    assert only_run(run / "report.html")["result"] == json.loads((run / "search.json").read_text())


def test_damaged_sessions_stop_no_run(tmp_path, models):
    run, out = tmp_path / "run", tmp_path / "dpo"
    search(models, run, "--alphas", "1")
    train(models, out, "--save-steps", "2")
    (run / "search.json").unlink()
    for folder, again in ((run, lambda: search(models, run, "--alphas", "1")),
                          (out, lambda: train(models, out, "--save-steps", "2", "--resume"))):
        damaged = (folder / "sessions.jsonl").read_bytes() + b"\0\0\0\n"
        (folder / "sessions.jsonl").write_bytes(damaged)
        done = again()
        assert "sessions.jsonl: is damaged" in done.stderr and "kept as sessions.jsonl.damaged" in done.stderr
        assert (folder / "sessions.jsonl.damaged").read_bytes() == damaged
        assert len(only_run(folder / "report.html")["sessions"]) == 1


def test_a_page_that_cannot_be_written_is_a_warning(tmp_path, models):
    run = tmp_path / "run"
    search(models, run, "--alphas", "1")
    (run / "search.json").unlink()
    (run / "report.html").unlink()
    (run / "report.html").mkdir()
    done = search(models, run, "--alphas", "1")
    assert "warning: the page of the run is not written: " in done.stderr and "is a folder" in done.stderr
    assert (run / "search.json").exists() and "the page that shows it" not in done.stdout


# A scorer that stops at its sixth answer while the file `hold` is beside it, so that no search ends before its signal.
HOLDING_SCORER = """
import sys, time
from pathlib import Path
hold, held = (Path(__file__).with_name(name) for name in ("hold", "held"))
for number, line in enumerate(sys.stdin):
    while number == 5 and hold.exists():
        held.touch()
        time.sleep(0.01)
    print(len(line) % 7, flush=True)
"""


def stopped_by(kind, arguments, run, held):
    """Starts a search that the scorer holds, and sends a signal after three more answers, or once it is held."""
    before = len(lines(run / "answers.jsonl"))
    process = subprocess.Popen([EXPO, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not held.exists() and len(lines(run / "answers.jsonl")) < before + 3:
        time.sleep(0.005)
    assert process.poll() is None
    process.send_signal(kind)
    process.wait()
    held.unlink(missing_ok=True)


def test_sessions_tell_of_kills_and_interruptions(tmp_path, models):
    run, whole = tmp_path / "run", tmp_path / "whole"
    (tmp_path / "scorer.py").write_text(HOLDING_SCORER)
    models = {**models, "scorer": f"{sys.executable} {tmp_path / 'scorer.py'}"}
    options = ["--token-budget", "8000", "--deterministic"]
    search(models, whole, *options)
    (tmp_path / "hold").touch()
    for kind in (signal.SIGKILL, signal.SIGINT):
        stopped_by(kind, command(models, run, *options), run, tmp_path / "held")
        assert not (run / "report.html").exists()
    (tmp_path / "hold").unlink()
    assert search(models, run, *options).stdout.replace("/run/", "/whole/") == search(models, whole, *options).stdout
    page = assert_whole(run, command(models, run, *options), sessions=3)
    assert [session["ended"] is None for session in page["sessions"]] == [True, False, False]
    assert (run / "search.json").read_bytes() == (whole / "search.json").read_bytes()
    assert (run / "prompts.jsonl").read_bytes() == (whole / "prompts.jsonl").read_bytes()
    assert not [path.name for path in run.iterdir() if path.name.startswith(".")]


def test_a_search_of_an_earlier_version_gets_what_it_lacks(tmp_path, models):
    run = tmp_path / "run"
    search(models, run, "--alphas", "1")
    for name in ("search.json", "prompts.jsonl", "sessions.jsonl", "report.html"):
        (run / name).unlink()
    search(models, run, "--alphas", "1")
    assert only_run(run / "report.html")["missing"] == []


def test_a_search_by_pairs_has_its_prompts(tmp_path, models):
    texts = [row["prompt"] for row in read_rows(models["data"])]
    pairs = write_rows(tmp_path / "pairs.jsonl", [{"prompt": text, "chosen": "w7 w8", "rejected": f"w{9 + i}"}
                                                  for i, text in enumerate(texts)])
    run = tmp_path / "run"
    expo("search", models["sft"], models["aligned"], "--pairs", pairs, "-o", run, "--alphas", "1", "--threads", "1")
    page = only_run(run / "report.html")
    assert sorted(page["prompts"]["text"]) == sorted(texts)
    assert len(set(page["prompts"]["id"])) == len(texts)
    assert page["answers"]["text"] == []
    assert page["missing"] == ["The search was by preference pairs, for which nothing is answered."]


def train(models, out, *options, check=True):
    pairs = write_rows(out.parent / "pairs.jsonl", [{"prompt": row["prompt"], "chosen": "w7 w8 w9", "rejected": f"w{9 + i}"}
                                                    for i, row in enumerate(read_rows(models["data"]))])
    return expo("train", "dpo", "--model-name-or-path", models["sft"], "--dataset-name", pairs, "--output-dir", out,
                "--per-device-train-batch-size", "10", "--gradient-accumulation-steps", "1", "--threads", "1", "--device", "cpu",
                "--bf16", "false", *options, check=check)


def test_a_training_ends_with_its_page(tmp_path, models):
    out = tmp_path / "dpo"
    done = train(models, out, "--save-steps", "2")
    assert done.stdout.endswith(naming(out))
    page = only_run(out / "report.html")
    assert page["kind"] == "train" and page["missing"] == []
    assert page["settings"] == json.loads((out / "run.json").read_text())
    assert page["metrics"] == lines(out / "metrics.jsonl")
    assert [row["step"] for row in page["metrics"]] == list(range(1, len(page["metrics"]) + 1))
    (session,) = page["sessions"]
    assert session["command"] == page["settings"]["command"] and session["machine"]["device"] == "cpu"
    assert session["machine"]["instructions"] in ("baseline", "avx2", "avx512", "avx512_bf16", "amx")
    done = train(models, out, "--save-steps", "2", "--resume", "--json")
    assert json.loads(done.stdout)["resumed_from"] > 0 and done.stderr.endswith(naming(out))
    assert len(only_run(out / "report.html")["sessions"]) == 2
    train(models, out, "--overwrite-output-dir")
    assert len(only_run(out / "report.html")["sessions"]) == 1


def test_trainings_and_an_inspection_have_pages(tmp_path, models):
    for rate in ("1e-3", "1e-4"):
        train(models, tmp_path / f"rate-{rate}", "--learning-rate", rate)
    expo("report", tmp_path / "rate-1e-3", tmp_path / "rate-1e-4", "-o", tmp_path / "report.html")
    assert [run["name"] for run in decoded(tmp_path / "report.html")["runs"]] == ["rate-1e-3", "rate-1e-4"]
    printed = expo("inspect", models["sft"], tmp_path / "rate-1e-3/final", "--json").stdout
    (tmp_path / "change.json").write_text(printed)
    expo("report", tmp_path / "change.json", "-o", tmp_path / "change.html")
    page = only_run(tmp_path / "change.html")
    assert page["inspection"] == json.loads(printed) and page["kind"] == "inspection"
    (tmp_path / "one.json").write_text(expo("inspect", models["sft"], "--json").stdout)
    expo("report", tmp_path / "one.json", "-o", tmp_path / "one.html")
    assert only_run(tmp_path / "one.html")["missing"] == ["One checkpoint was inspected, so there is no change to show."]
