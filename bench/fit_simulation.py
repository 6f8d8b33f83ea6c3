#!/usr/bin/env python3
"""Finds the simulation whose prompts, coupling and lengths are those of a recording (expo/search/source/simulator.h).

    bench/fit_simulation.py RECORDING.jsonl [--family N]

A score of 0 or 1 is taken for a normal deviate that stays below a limit. The correlation of the deviates of two answers
to one prompt follows from how often both are 1 (the tetrachoric correlation). It is prompt_share + coupled_share for two
answers at one α, and prompt_share + coupled_share · exp(−distance / reach) for two α, by least squares. Lengths are
log-normal: their mean logarithm is a line over the place of α, and their variance has a prompt's part and an answer's.
It needs numpy and scipy.
"""

import argparse
import itertools
import json
from pathlib import Path

import numpy as np
from scipy.optimize import brentq, least_squares
from scipy.stats import multivariate_normal, norm


def place(alpha):
    """log_place of expo/search/source/alpha_place.h."""
    return np.copysign(np.log1p(abs(alpha) / 0.05), alpha)


def read(path, family):
    """Places of α, and scores and tokens as arrays of candidate, prompt and sample."""
    head, *lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    kept = [number for number, each in enumerate(head["candidates"])
            if each.get("family", 0) == family or each["alpha"] == -1]
    shape = (len(kept), len(head["prompts"]), head["samples"])
    scores, tokens = np.zeros(shape), np.zeros(shape)
    for line in lines:
        if line["candidate"] in kept:
            at = kept.index(line["candidate"]), line["prompt"]
            scores[at], tokens[at] = line["score"], line["tokens"]
    return np.array([place(head["candidates"][number]["alpha"]) for number in kept]), scores, tokens


def tetrachoric(first, second, both):
    """The correlation of two normal deviates that lie below their limits with these chances, alone and together."""
    limits = norm.ppf(first), norm.ppf(second)

    def excess(correlation):
        return multivariate_normal.cdf(limits, cov=[[1, correlation], [correlation, 1]]) - both

    return brentq(excess, -0.99, 0.99)


def both_right(scores, first, second):
    """How often two answers to one prompt are both right: those with different numbers, as equal ones share their draws."""
    count = scores.shape[2]
    products = scores[first].sum(axis=1) * scores[second].sum(axis=1) - (scores[first] * scores[second]).sum(axis=1)
    return np.mean(products) / (count * (count - 1))


def correlations(places, scores):
    """A row of distance and correlation for each two candidates, and each with itself."""
    means = scores.mean(axis=(1, 2))
    return np.array([(abs(places[a] - places[b]), tetrachoric(means[a], means[b], both_right(scores, a, b)))
                     for a, b in itertools.combinations_with_replacement(range(len(places)), 2)])


def coupling(places, scores):
    distance, correlation = correlations(places, scores).T

    def errors(shares):
        own, coupled, reach = shares
        return own + coupled * np.exp(-distance / reach) - correlation

    return least_squares(errors, (0.3, 0.2, 1.5), bounds=([0, 0, 0.2], [1, 1, 10])).x


def lengths(places, tokens):
    """Growth of the logarithm, tokens at α = 0, and deviations between prompts and between answers."""
    logs = np.log(np.maximum(tokens, 1))
    growth, start = np.polyfit(places, logs.mean(axis=(1, 2)), 1)
    answers = logs.var(axis=2, ddof=1).mean()
    rest = logs - logs.mean(axis=1, keepdims=True)
    prompts = max(rest.mean(axis=(0, 2)).var(ddof=1) - answers / (logs.shape[0] * logs.shape[2]), 0)
    return growth, np.exp(start + (answers + prompts) / 2), prompts**0.5, answers**0.5


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", type=Path)
    parser.add_argument("--family", type=int, default=0)
    arguments = parser.parse_args()
    places, scores, tokens = read(arguments.recording, arguments.family)
    names = "prompt_share", "coupled_share", "reach", "growth", "length", "prompt_size", "answer_size"
    for name, value in zip(names, (*coupling(places, scores), *lengths(places, tokens))):
        print(f"{name} {value:.3f}")


if __name__ == "__main__":
    main()
