#!/usr/bin/env python3
"""Writes preference pairs that need no licence and no network: made-up questions with a polite and a curt answer.

    preference_pairs.py FILE.jsonl [--pairs N] [--seed S] [--words LOW HIGH]

Each line has `prompt`, `chosen` and `rejected` as conversations, as ultrafeedback_binarized has them, and `messages`
(prompt and chosen answer) for supervised fine-tuning. The same arguments give the same file.
"""

import argparse
import json
import random

NOUNS = """river garden engine letter winter bridge market teacher window forest kitchen museum violin harbour compass
meadow lantern village island mirror bicycle library mountain orchard blanket station curtain pencil island thunder
""".split()
VERBS = "mend paint describe measure cross visit remember carry build draw clean sell follow plant open".split()
ADJECTIVES = "quiet bright old narrow gentle heavy early distant careful warm simple clear broad patient silver".split()
FILLERS = "because although while whenever since where and but so until".split()


def sentence(draw, words):
    parts = []
    while len(parts) < words:
        parts += ["the", draw.choice(ADJECTIVES), draw.choice(NOUNS), "can", draw.choice(VERBS), "a",
                  draw.choice(ADJECTIVES), draw.choice(NOUNS), draw.choice(FILLERS)]
    text = " ".join(parts[:words])
    return text[0].upper() + text[1:] + "."


def text_of(draw, words):
    sentences = []
    while words > 0:
        count = min(words, draw.randint(6, 14))
        sentences.append(sentence(draw, count))
        words -= count
    return " ".join(sentences)


def pair(draw, low, high):
    prompt = f"How does one {draw.choice(VERBS)} a {draw.choice(ADJECTIVES)} {draw.choice(NOUNS)}? " \
             f"{text_of(draw, draw.randint(6, 20))}"
    chosen = f"Thank you for asking. {text_of(draw, draw.randint(low, high) - 4)}"
    rejected = text_of(draw, draw.randint(low, high))

    def turns(answer):
        return [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]

    return {"prompt": prompt, "chosen": turns(chosen), "rejected": turns(rejected), "messages": turns(chosen)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", metavar="FILE.jsonl")
    parser.add_argument("--pairs", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--words", type=int, nargs=2, default=(20, 150), metavar=("LOW", "HIGH"))
    options = parser.parse_args()
    draw = random.Random(options.seed)
    with open(options.file, "w", encoding="utf-8") as out:
        for _ in range(options.pairs):
            out.write(json.dumps(pair(draw, *options.words)) + "\n")


if __name__ == "__main__":
    main()
