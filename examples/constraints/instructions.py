#!/usr/bin/env python3
"""Writes instructions with constraints that check.py can grade; they need no licence and no network.

    instructions.py train|dev FILE.jsonl [--count N] [--seed S]

Each line has `prompt`, `topic` and `constraint`, a list of {"kind", "value"}. No topic of `train` is one of `dev`. The
same arguments give the same file.
"""

import argparse
import json
import random

from constraints import KINDS, wording

TOPICS = {
    "train": """bicycles|cats|green tea|rainy days|libraries|night trains|baking bread|learning to swim|small gardens|
umbrellas|chess|winter coats|lighthouses|honey|old maps|street markets|mountain huts|playing the violin|apple trees|
paper boats|morning walks|soup|wooden toys|bridges|sheep farming|candles|postcards|mushrooms|ferries|clay pots|
school holidays|wind mills|kitchen knives|sunflowers|public parks|crossword puzzles|fishing|birthday parties|
repairing shoes|thunderstorms|goldfish|jigsaw puzzles|hiking boots|spring cleaning""",
    "dev": """horses|black coffee|museums|city buses|growing tomatoes|learning to dance|sandcastles|mirrors|table tennis|
scarves|volcanoes|olive oil|telescopes|flea markets|camping|playing the piano|cherry blossoms|kites|afternoon naps|
pancakes|knitting|tunnels|beekeeping|lanterns|love letters|seashells|canoes|glass bottles|summer jobs|water wheels|
bread boxes|tulips|playgrounds|board games|bird watching|wedding cakes|painting walls|fog|parrots|detective stories|
rubber boots|packing a suitcase|roller skates|snowmen""",
}
TASKS = ("Write about {}.", "Tell me about {}.", "Explain why people care about {}.", "Give me some advice about {}.",
         "What should a beginner know about {}?", "Say something interesting about {}.", "What is good about {}?",
         "Describe {} to a child.", "What makes {} special?", "Why do some people dislike {}?",
         "Write a note to a friend about {}.", "Invent a slogan about {}.")
VALUES = {
    "at-most-words": (8, 10, 12, 15, 20, 25), "at-most-characters": (60, 80, 100, 140), "at-least-words": (25, 30, 40),
    "words-between": ([5, 10], [5, 15], [10, 20], [15, 30]), "sentences": (1, 2, 3), "paragraphs": (2, 3),
    "bullets": (2, 3), "numbered": (2, 3, 4), "json": ("answer", "text", "reply"),
    "include": ("because", "always", "quiet", "sometimes", "together", "weather", "yellow", "neighbour"),
    "exclude": ("is", "it", "can", "they", "people", "also", "these", "often", "unique", "important"),
    "start": ("Perhaps", "Today", "Many", "Nobody", "Imagine", "First"),
    "end": ("today", "friends", "everything", "indeed", "home", "goodbye"),
}
# Kinds that take turns. Those that a small model obeys now and then, and so learns from, occur more often.
TURNS = tuple(KINDS) + ("at-most-words",) * 4 + ("at-most-characters", "words-between", "sentences", "no-commas",
                                                 "exclude") * 2 + ("one-line",)
# A floor for the length keeps the shortest answers from being the best ones.
FLOORS, FLOOR_CHANCE = (6, 8, 10, 12), 0.4
WITHOUT_FLOOR = {"at-most-words", "at-most-characters", "at-least-words", "words-between", "json"}


def topics(split):
    return [topic.strip() for topic in TOPICS[split].split("|")]


class Writer:
    def __init__(self, split, seed):
        self.topics = topics(split)
        # Only random() gives the same numbers in every version of Python.
        self.uniform = random.Random(f"{split} {seed}").random

    def one_of(self, choices):
        return choices[int(self.uniform() * len(choices))]

    def constraint(self, kind, values):
        return {"kind": kind, "value": self.one_of(values)}

    def constraints(self, kind):
        found = [self.constraint(kind, VALUES.get(kind, (True,)))]
        if kind not in WITHOUT_FLOOR and self.uniform() < FLOOR_CHANCE:
            found.append(self.constraint("at-least-words", FLOORS))
        return found

    def row(self, kind):
        topic = self.one_of(self.topics)
        constraints = self.constraints(kind)
        sentences = [self.one_of(TASKS).format(topic)]
        for each in constraints:
            sentences.append(wording(each, int(self.uniform() * 6)))
        if self.uniform() < 0.25:  # what is asked for comes first
            sentences = sentences[1:] + sentences[:1]
        return {"prompt": " ".join(sentences), "topic": topic, "constraint": constraints}


def rows(split, count, seed):
    """`count` rows of different prompts."""
    writer, found = Writer(split, seed), {}
    while len(found) < count:
        row = writer.row(TURNS[len(found) % len(TURNS)])
        found.setdefault(row["prompt"], row)
    return list(found.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("split", choices=list(TOPICS))
    parser.add_argument("file", metavar="FILE.jsonl")
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with open(options.file, "w", encoding="utf-8") as out:
        for row in rows(options.split, options.count, options.seed):
            out.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
