"""examples/constraints: what the checker says of hand-made answers, and how the two sets of instructions differ."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("EXPO_SOURCE_DIR", Path(__file__).parents[2]))
FOLDER = ROOT / "examples/constraints"


def run(program, *arguments, **options):
    return subprocess.run([sys.executable, FOLDER / program, *map(str, arguments)], capture_output=True, text=True,
                          **options)


def graded(*rows):
    done = run("check.py", input="".join(json.dumps(row) + "\n" for row in rows))
    assert done.returncode == 0, done.stderr
    return [int(line) for line in done.stdout.splitlines()]


def row(answer, *constraints):
    return {"prompt": "?", "answer": answer,
            "constraint": [{"kind": kind, "value": value} for kind, value in constraints]}


def instructions(split, folder, *arguments):
    path = folder / f"{split}.jsonl"
    done = run("instructions.py", split, path, *arguments)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("instructions")
    return instructions("train", folder, "--count", 700), instructions("dev", folder, "--count", 500)


CASES = {  # (kind, value): (answers that obey, answers that do not)
    ("at-most-words", 4): (["One two three four.", "a-b isn't two words", " 1 2 "], ["One two three four five"]),
    ("at-most-characters", 5): (["12345", " 1234 \n"], ["123456"]),
    ("at-least-words", 3): (["one two three", "one, two\nthree four"], ["one two", "one - two !"]),
    ("words-between", (2, 3)): (["one two", "one two three"], ["one", "one two three four"]),
    ("sentences", 2): (["One is. Two are!", "Is it? It is", "It costs 2.50 now. \"Good.\""],
                       ["One", "One. Two. Three.", "One is. Two are. And"]),
    ("paragraphs", 2): (["One.\n\nTwo.", "One\nand more\n \nTwo"], ["One.\nTwo.", "One\n\nTwo\n\nThree"]),
    ("bullets", 2): (["- one\n- two", "Here:\n* one\n• two"], ["- one", "- one\n- two\n- three", "1. one\n2. two"]),
    ("numbered", 2): (["1. one\n2. two", "Here:\n1) one\n2) two"], ["1. one\n3. two", "1. a\n2. b\n3. c", "one two"]),
    ("lower-case", True): (["all of it, 7 times"], ["All of it", "it is ÉTÉ"]),
    ("capitals", True): (["ALL OF IT, 7 TIMES"], ["ALL OF iT"]),
    ("no-commas", True): (["one and two"], ["one, two"]),
    ("one-line", True): (["one two\n"], ["one\ntwo"]),
    ("include", "rain"): (["Rain falls", "the rain, again"], ["the rainbow", "a train"]),
    ("exclude", "can"): (["the candle"], ["Can it be", "it can."]),
    ("start", "Many"): (["Many do", "\"many\", they say"], ["How many", "Manyfold"]),
    ("end", "home"): (["we go home.", "Home!\""], ["home again"]),
    ("question", True): (["Is it?", "It is. Is it? "], ["Is it? Yes."]),
    ("quoted", True): (["\"It is.\"", "“It is”"], ["\"It\" is", "It is", "\""]),
    ("no-digits", True): (["two cats"], ["2 cats"]),
    ("json", "text"): (["{\"text\": \"it is\"}"], ["{\"other\": 1}", "{\"text\": \"\"}", "[\"text\"]", "so: {\"text\": 1}"]),
}


@pytest.mark.parametrize("constraint", CASES)
def test_a_constraint_is_checked(constraint):
    obeying, others = CASES[constraint]
    assert graded(*(row(answer, constraint) for answer in obeying + others)) == [1] * len(obeying) + [0] * len(others)


def test_every_kind_has_a_case_and_occurs_in_both_sets(both):
    kinds = {kind for kind, _ in CASES}
    for rows in both:
        assert {each["kind"] for row in rows for each in row["constraint"]} == kinds


def test_all_constraints_of_a_prompt_must_be_obeyed():
    several = [("no-commas", True), ("at-least-words", 3)]
    assert graded(row("one two three", *several), row("one two", *several), row("one, two three", *several)) == [1, 0, 0]


@pytest.mark.parametrize("constraint", [("no-commas", True), ("lower-case", True), ("at-most-words", 100)])
def test_empty_and_repeating_answers_obey_nothing(constraint):
    distinct = " ".join(f"word{chr(97 + number)}" for number in range(24))
    assert graded(row("", constraint), row(" \n ", constraint), row("?!", constraint),
                  row("so it is " * 8, constraint), row(distinct, constraint)) == [0, 0, 0, 0, 1]


def test_a_score_is_written_as_soon_as_its_row_is_read():
    with subprocess.Popen([sys.executable, FOLDER / "check.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as checker:
        for answer, score in (("one", "1\n"), ("one, two", "0\n"), ("two", "1\n")):
            checker.stdin.write(json.dumps(row(answer, ("no-commas", True))) + "\n")
            checker.stdin.flush()
            assert checker.stdout.readline() == score  # which never came if it waited for more
        checker.stdin.close()
        assert checker.wait(10) == 0


@pytest.mark.parametrize("line, said", [
    ("no JSON", "line 1 of the input is no JSON"), ("{\"prompt\": \"?\"}", "line 1 of the input has no \"answer\""),
    (json.dumps({"answer": "one"}), "\"constraint\" in line 1 of the input is null"),
    (json.dumps(row("one", ("rhymes", True))), "where kind is one of at-most-words")])
def test_a_row_that_cannot_be_graded_is_named(line, said):
    done = run("check.py", input=line + "\n")
    assert done.returncode == 1 and said in done.stderr and not done.stdout


def test_prompts_are_distinct_and_say_what_is_checked(both):
    for rows in both:
        assert len({row["prompt"] for row in rows}) == len(rows)
        for each in rows:
            assert each["topic"] in each["prompt"]
            for constraint in each["constraint"]:
                value = constraint["value"]
                named = value if isinstance(value, list) else [value]
                assert value is True or all(str(part) in each["prompt"] for part in named), each


def test_the_two_sets_share_neither_prompts_nor_topics(both):
    train, dev = both
    assert not {row["prompt"] for row in train} & {row["prompt"] for row in dev}
    topics = {row["topic"] for row in train}
    assert topics and not topics & {row["topic"] for row in dev}
    foreign = re.compile("|".join(rf"\b{re.escape(topic)}\b" for topic in topics))
    assert not [row for row in dev if foreign.search(row["prompt"])]


def test_the_same_arguments_give_the_same_instructions(both, tmp_path):
    train, _ = both
    assert instructions("train", tmp_path, "--count", 700) == train
    assert instructions("train", tmp_path, "--count", 300) == train[:300]
    assert instructions("train", tmp_path, "--count", 300, "--seed", 2) != train[:300]


def test_short_answers_do_not_obey_everything(both):
    _, dev = both
    floors = [row for row in dev if any(each["kind"] in ("at-least-words", "words-between")
                                        for each in row["constraint"])]
    assert 0.3 <= len(floors) / len(dev) <= 0.7
