"""Recordings as files: that of the real pair in docs/, how bench/record_pair.py makes pairs and rows of it, and one family
of a recording that is replayed."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("EXPO_SOURCE_DIR", Path(__file__).parents[2]))
REPLAY = Path(os.environ.get("EXPO_BUILD_DIR", ROOT / "build/release")) / "bench/search_replay"
RECORDINGS = sorted((ROOT / "docs/search/recordings").glob("*.jsonl"))
sys.path.insert(0, str(ROOT / "bench"))
import record_pair  # noqa: E402


def answer(prompt, text, score, reason="stop"):
    return {"prompt": prompt, "answer": text, "score": score, "finish_reason": reason, "tokens": 3}


def test_a_pair_is_the_first_right_and_the_first_wrong_answer_of_one_prompt():
    rows = [answer("a", "cut off", 1, "length"), answer("a", "right", 1), answer("a", "wrong", 0),
            answer("a", "wrong too", 0), answer("b", "right", 1), answer("c", "wrong", 0),
            answer("d", " ", 0), answer("d", "right", 1), answer("e", "cut off", 0, "length"), answer("e", "right", 1)]
    assert record_pair.preference_pairs(rows) == [{"prompt": "a", "chosen": "right", "rejected": "wrong"},
                                                  {"prompt": "e", "chosen": "right", "rejected": "cut off"}]


def test_a_cell_holds_all_samples_of_a_prompt():
    samples = [answer("a", "über", 1), answer("a", "a longer one", 0, "length")]
    assert record_pair.cell(3, 7, samples) == {
        "candidate": 3, "prompt": 7, "score": [1, 0], "length": [4, 12], "tokens": [3, 3], "ending": ["stop", "length"]}


def test_theta_sft_is_recorded_once():
    candidates = record_pair.candidates(2)
    assert len(candidates) == len(set(candidates)) == 2 * len(record_pair.ALPHAS) - 1
    assert [number for number, alpha in candidates if alpha == -1] == [0]


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_a_recording_is_complete_and_its_prompts_are_those_of_the_instructions(path, tmp_path):
    head, *lines = record_pair.read_rows(path)
    cells = {(line["candidate"], line["prompt"]) for line in lines}
    assert len(cells) == len(lines) == len(head["candidates"]) * len(head["prompts"])
    assert head["samples"] == record_pair.SAMPLES and path.stat().st_size < 1e6
    dev = tmp_path / "dev.jsonl"
    subprocess.run([sys.executable, ROOT / "examples/constraints/instructions.py", "dev", dev], check=True)
    prompts = [row["prompt"] for row in record_pair.read_rows(dev)]
    assert head["prompts"] == [hashlib.sha256(prompt.encode()).hexdigest()[:12] for prompt in prompts]


def replayed(path, *arguments):
    done = subprocess.run([REPLAY, "recording", "--recording", path, "--seeds", "4", *arguments], capture_output=True,
                          text=True, check=True)
    return done.stdout


@pytest.mark.skipif(not REPLAY.is_file(), reason="search_replay is not built")
def test_one_family_is_replayed_with_the_control_that_both_share(tmp_path):
    alone, both = tmp_path / "alone.jsonl", tmp_path / "both.jsonl"
    subprocess.run([REPLAY, "one-peak", "--prompts", "40", "--record", alone], check=True)
    head, *lines = record_pair.read_rows(alone)
    numbers = [number for number, each in enumerate(head["candidates"]) if each["alpha"] != -1]
    second = {number: len(head["candidates"]) + place for place, number in enumerate(numbers)}
    head["candidates"] += [{**head["candidates"][number], "family": 1} for number in numbers]
    flat = [{**line, "score": [0, 0]} if line["candidate"] in second else line for line in lines]
    moved = [{**line, "candidate": second[line["candidate"]]} for line in lines if line["candidate"] in second]
    record_pair.write_rows(both, [head, *flat, *moved])
    assert replayed(both, "--family", "1") == replayed(alone) != replayed(both)
