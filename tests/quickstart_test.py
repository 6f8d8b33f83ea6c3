"""The work of ./quickstart, as small as it can be: killed twice on the way, it ends with a search, its page and the model."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("EXPO_SOURCE_DIR", Path(__file__).parents[1]))
EXPO = Path(os.environ.get("EXPO_BINARY", ROOT / "build/release/expo"))
MODEL = ROOT / "models/SmolLM2-135M-Instruct.Q4_1.gguf"
PROGRAM = ROOT / "examples/paper_in_small.py"

pytestmark = [
    pytest.mark.skipif(not (EXPO.parent / "expo-engine").exists(), reason="needs libtorch"),
    pytest.mark.skipif(not MODEL.exists(), reason="needs the real model: scripts/bootstrap model"),
]


def start(work, *more):
    return subprocess.Popen([sys.executable, PROGRAM, "--work", work, "--expo", EXPO, "--minutes", "0.15", *more],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def kill_once_there(work, file, how):
    """Kills the program and the command that it runs as soon as the command has begun this file."""
    process = start(work)
    while not (work / file).exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    os.killpg(process.pid, how)
    out, err = process.communicate()
    assert process.returncode != 0
    return out, err


def rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_killed_twice_it_ends_with_a_verdict_a_page_and_a_model(tmp_path):
    kill_once_there(tmp_path, "dpo", signal.SIGKILL)
    answers = (tmp_path / "train-answers.jsonl").read_bytes()
    _, err = kill_once_there(tmp_path, "search/answers.jsonl", signal.SIGINT)
    assert "goes on from here" in err and "Traceback" not in err
    process = start(tmp_path)
    out, err = process.communicate()
    assert process.returncode == 0, err

    assert (tmp_path / "train-answers.jsonl").read_bytes() == answers
    assert out.count("done before") >= 5
    found = json.loads((tmp_path / "search/search.json").read_text(encoding="utf-8"))
    assert f"The verdict of the search is {found['verdict']}, at α = {found['alpha']:g}." in out
    assert 0 < found["tokens"] <= int(re.search(r"--token-budget (\d+)", out)[1])
    assert (tmp_path / "extrapolated/config.json").exists() == (found["alpha"] != 0)
    for page in ("search/report.html", "dpo/report.html"):
        assert page in out and (tmp_path / page).stat().st_size > 100_000

    # What is trained on is what a program graded so, and no prompt of the search was among it.
    graded = {(row["prompt"], row["answer"]): line for row, line in zip(
        rows(tmp_path / "train-answers.jsonl"), (tmp_path / "train-scores.txt").read_text().split(), strict=True)}
    pairs = rows(tmp_path / "pairs.jsonl")
    assert pairs
    for pair in pairs:
        assert (graded[pair["prompt"], pair["chosen"]], graded[pair["prompt"], pair["rejected"]]) == ("1", "0")
    assert not {pair["prompt"] for pair in pairs} & {row["prompt"] for row in rows(tmp_path / "dev.jsonl")}

    # Killed after the search, before its page: what has been found is shown again, and nothing is searched.
    (tmp_path / "times.json").unlink()
    (tmp_path / "search/report.html").unlink()
    process = start(tmp_path)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert out.count("done before") == 5
    assert json.loads((tmp_path / "search/search.json").read_text(encoding="utf-8")) == found
    assert (tmp_path / "search/report.html").exists()

    # What other settings have made is not gone on with.
    settings = json.loads((tmp_path / "settings.json").read_text(encoding="utf-8"))
    (tmp_path / "settings.json").write_text(json.dumps({**settings, "samples": 3}), encoding="utf-8")
    process = start(tmp_path)
    _, err = process.communicate()
    assert process.returncode == 2
    assert "remove it to begin anew" in err and "Traceback" not in err


def test_what_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    process = start(tmp_path / "file" / "work")
    _, err = process.communicate()
    assert process.returncode == 4
    assert "file/work" in err and "Traceback" not in err


def test_a_command_that_fails_ends_it_with_its_status(tmp_path):
    process = start(tmp_path, "--model", str(tmp_path / "missing.gguf"))
    out, err = process.communicate()
    assert process.returncode == 3
    assert "missing.gguf" in err and "goes on from here" in err and "Traceback" not in err
    assert not (tmp_path / "sft").exists()
