#!/usr/bin/env python3
"""Grades answers: reads JSON lines with `answer` and `constraint` (as instructions.py writes it beside each prompt) and
prints one line for each, 1 if the answer obeys all of its constraints and 0 otherwise. It goes on until its input ends,
and each score is written at once, so it also serves as a scorer that is kept running.

    check.py < answers.jsonl > scores.txt
"""

import json
import sys

from constraints import KINDS, obeys


def score(row):
    return int(all(obeys(row["answer"], each) for each in row["constraint"]))


def read(line, number):
    """The row, or the end of the program with a sentence about what is wrong with it."""
    try:
        row = json.loads(line)
    except ValueError as error:
        sys.exit(f"check.py: line {number} of the input is no JSON: {error}")
    if not isinstance(row, dict) or not isinstance(row.get("answer"), str):
        sys.exit(f"check.py: line {number} of the input has no \"answer\"; expected the text of an answer")
    constraints = row.get("constraint")
    if not isinstance(constraints, list) or not all(
            isinstance(each, dict) and "value" in each and each.get("kind") in KINDS for each in constraints):
        sys.exit(f"check.py: \"constraint\" in line {number} of the input is {json.dumps(constraints)}; expected a "
                 f"list of {{\"kind\", \"value\"}}, where kind is one of {', '.join(KINDS)}")
    return row


def main():
    for number, line in enumerate(sys.stdin, 1):
        print(score(read(line, number)), flush=True)


if __name__ == "__main__":
    main()
