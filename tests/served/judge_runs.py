"""Runs of `expo evaluate alpaca` with a judge on the tests' servers."""

import json
from pathlib import Path

import numpy as np
from checkpoints import expo

from model_server import weighed_letters

JUDGE = "gpt-4-1106-preview"
ROWS = 30


def word(server, name=JUDGE):
    kind = {"llama": "llama-server"}.get(server.dialect, server.dialect)
    return f"{kind}={server.url}#{name}"


def alpaca(server, files, out, *options, **more):
    return expo("evaluate", "alpaca", *files, "--judge", word(server), "-o", out, *options, **more)


def figures(*arguments, **more):
    return json.loads(alpaca(*arguments, "--json", **more).stdout)


def refused(*arguments, code, **more):
    done = expo("evaluate", "alpaca", *arguments, check=False, **more)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert done.stderr.splitlines()[-1].startswith("expo: ")
    return done.stderr


def prompts(server):
    """What the judge was shown, one text for each request."""
    return ["\n".join(message["content"] for message in body["messages"])
            for body in server.asked("/v1/chat/completions")]


def preferences(server, pairs, weigh=weighed_letters):
    """Those of the letters that the server weighs, by the place of the answers in what it was shown."""
    expected = []
    asked = server.asked("/v1/chat/completions")
    for instruction, baseline, answer in pairs:
        if baseline == answer:
            expected.append(1.5)
            continue
        body = next(body for body, text in zip(asked, prompts(server)) if instruction in text)
        weights, text = weigh(body["messages"]), "\n".join(message["content"] for message in body["messages"])
        first = weights["m"] / (weights["m"] + weights["M"])  # chance of the first answer to be the better one
        expected.append(2 - first if text.index(baseline) < text.index(answer) else 1 + first)
    return np.array(expected)


def read(path):
    return json.loads(Path(path).read_text())
