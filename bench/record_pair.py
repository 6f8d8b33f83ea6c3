#!/usr/bin/env python3
"""Records the scores of a real pair at several α, for the replays of a search (docs/search/recording.md).

    record_pair.py RECORDING.jsonl --work FOLDER [--expo PROGRAM] [--model GGUF] [--served]
    record_pair.py RECORDING.jsonl --table

Answers of θ_sft to the instructions of examples/constraints are graded by check.py and become preference pairs; DPO on
all of them and on a fifth gives two models; both are extrapolated to each α in float32 and answer the development
prompts. FOLDER keeps every step, and a step that is done is skipped, so the same command continues after an
interruption. With --served, the best models also answer as bfloat16 would serve them. With --table, the table of a
recording that is there is printed and nothing runs.
"""

import argparse
import datetime
import hashlib
import json
import os
import shlex
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = ROOT / "examples/constraints"

TRAINING_PROMPTS, TRAINING_SAMPLES, MOST_PAIRS = 600, 4, 200
DEVELOPMENT_PROMPTS, SAMPLES = 400, 2
MOST_TOKENS = 96
ALPHAS = (-1, 0, 0.1, 0.3, 0.5, 1, 2, 4, 8, 12, 16, 25)
SAMPLING = ["--temperature", "0.7", "--top-k", "40", "--top-p", "0.9", "--presence-penalty", "0.1",
            "--frequency-penalty", "0.1", "--max-new-tokens", str(MOST_TOKENS), "--format", "plain"]
DPO = ["--beta", "0.1", "--learning-rate", "2e-6", "--per-device-train-batch-size", "8",
       "--gradient-accumulation-steps", "1", "--num-train-epochs", "1", "--seed", "42"]


@dataclass(frozen=True)
class Family:
    name: str
    fraction: str


FAMILIES = (Family("all", "1"), Family("fifth", "0.2"))


class Steps:
    """Runs commands in the work folder and remembers them; every one of them may be repeated at no cost."""

    def __init__(self, arguments):
        self.work = arguments.work.resolve()
        self.expo_program = arguments.expo.resolve()
        self.threads = ["--threads", str(arguments.threads)]
        self.commands = []

    def expo(self, *words, made=None):
        """Runs `expo` with the words, unless the file that it makes is there."""
        words = [str(word) for word in words]
        self.commands.append(shlex.join(["expo", *words]))
        if made and (self.work / made).is_file():
            return ""
        say(self.commands[-1])
        done = subprocess.run([self.expo_program, *words, *self.threads], cwd=self.work, stdout=subprocess.PIPE,
                              text=True, check=False)
        if done.returncode:
            sys.exit(f"record_pair.py: this command ended with {done.returncode}; the same call of record_pair.py "
                     f"continues from there")
        return done.stdout

    def instructions(self, split, count):
        file = f"{split}.jsonl"
        self.commands.append(f"instructions.py {split} {file} --count {count}")
        subprocess.run([sys.executable, CONSTRAINTS / "instructions.py", split, self.work / file, "--count",
                        str(count)], check=True)
        return file

    def answers(self, model, prompts, output, samples, seed, *how):
        """The rows of the answers, with their scores."""
        self.expo("generate", model, prompts, "-o", output, *SAMPLING, "--n", samples, "--seed", seed, *how,
                  "--resume")
        return graded(self.work / output)


def say(text):
    print(text, file=sys.stderr, flush=True)


def read_rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write_rows(path, rows):
    """The file appears whole or not at all."""
    text = "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def graded(path):
    with open(path, encoding="utf-8") as answers:
        done = subprocess.run([sys.executable, CONSTRAINTS / "check.py"], stdin=answers, stdout=subprocess.PIPE,
                              text=True, check=True)
    rows = read_rows(path)
    scores = [int(line) for line in done.stdout.splitlines()]
    assert len(scores) == len(rows), path
    return [{**row, "score": score} for row, score in zip(rows, scores)]


def by_prompt(rows):
    """The samples of each prompt, in the order of the prompts."""
    groups = {}
    for row in rows:
        groups.setdefault(row["prompt"], []).append(row)
    return list(groups.values())


def preference_pairs(rows):
    """One right and one wrong answer to each prompt that has both. A right one must have come to its own end."""
    pairs = []
    for samples in by_prompt(rows):
        right = [row for row in samples if row["score"] == 1 and row["finish_reason"] == "stop"]
        wrong = [row for row in samples if row["score"] == 0 and row["answer"].strip()]
        if right and wrong:
            pairs.append({"prompt": right[0]["prompt"], "chosen": right[0]["answer"], "rejected": wrong[0]["answer"]})
    return pairs


def make_pairs(steps):
    prompts = steps.instructions("train", TRAINING_PROMPTS)
    rows = steps.answers("sft", prompts, "train-answers.jsonl", TRAINING_SAMPLES, 1, "--dtype", "bf16")
    pairs = preference_pairs(rows)[:MOST_PAIRS]
    say(f"{len(pairs)} pairs; θ_sft obeys {statistics.mean(row['score'] for row in rows):.3f} of the training "
        f"instructions")
    write_rows(steps.work / "pairs.jsonl", pairs)
    return len(pairs)


def train(steps):
    for family in FAMILIES:
        steps.expo("train", "dpo", "--model-name-or-path", "sft", "--dataset-name", "pairs.jsonl", "--output-dir",
                   family.name, "--fraction", family.fraction, *DPO, "--resume",
                   made=f"{family.name}/final/model.safetensors")


def candidates(families):
    """(family's number, α) of each candidate. α = −1 is θ_sft whatever was trained, so it is there once."""
    return [(number, alpha) for number in range(families) for alpha in ALPHAS if number == 0 or alpha != -1]


def answers_at(steps, prompts, number, alpha, *how, place="answers"):
    name = FAMILIES[number].name
    (steps.work / place).mkdir(exist_ok=True)
    return steps.answers(f"{name}/final", prompts, f"{place}/{name}_{alpha:g}.jsonl", SAMPLES, 0, "--sft", "sft",
                         "--alpha", f"{alpha:g}", *(how or ("--dtype", "f32")))


def cell(candidate, prompt, samples):
    return {"candidate": candidate, "prompt": prompt, "score": [row["score"] for row in samples],
            "length": [len(row["answer"]) for row in samples], "tokens": [row["tokens"] for row in samples],
            "ending": [row["finish_reason"] for row in samples]}


def digest(path):
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


def header(steps, arguments, prompts, pairs):
    return {"format": "expo-scores-1", "samples": SAMPLES,
            "prompts": [hashlib.sha256(prompt.encode()).hexdigest()[:12] for prompt in prompts],
            "candidates": [{"alpha": alpha, "family": number} for number, alpha in candidates(arguments.families)],
            "families": [f"DPO on {family.fraction} of {pairs} pairs" for family in FAMILIES[:arguments.families]],
            "model": {"name": arguments.model.name, "digest": digest(arguments.model)},
            "instructions": {name: digest(CONSTRAINTS / name) for name in ("constraints.py", "instructions.py",
                                                                           "check.py")},
            "score": "1 where check.py says that the answer obeys all constraints", "length": "characters",
            "date": datetime.date.today().isoformat(), "commands": steps.commands}


def record(steps, arguments, pairs):
    prompts = steps.instructions("dev", DEVELOPMENT_PROMPTS)
    lines, names = [], []
    for candidate, (number, alpha) in enumerate(candidates(arguments.families)):
        groups = by_prompt(answers_at(steps, prompts, number, alpha))
        names = [samples[0]["prompt"] for samples in groups]
        lines += [cell(candidate, prompt, samples) for prompt, samples in enumerate(groups)]
    write_rows(arguments.recording, [header(steps, arguments, names, pairs), *lines])


def mean_and_error(values):
    return statistics.mean(values), statistics.stdev(values) / len(values) ** 0.5


@dataclass
class Row:
    """What a table says of one candidate: its cells, by prompt."""

    cells: list

    def values(self, measure):
        return [value for each in self.cells for value in each[measure]]

    def means(self):
        return [statistics.mean(each["score"]) for each in self.cells]

    def text(self, baseline):
        score, error = mean_and_error(self.means())
        gain, gain_error = mean_and_error([one - other for one, other in zip(self.means(), baseline.means())])
        truncated = statistics.mean(ending == "length" for ending in self.values("ending"))
        return (f"{score:.3f} ± {error:.3f} | {gain:+.3f} ± {gain_error:.3f} | "
                f"{statistics.mean(self.values('length')):.0f} | {statistics.mean(self.values('tokens')):.1f} | "
                f"{100 * truncated:.1f} %")


def print_table(recording):
    head, *lines = read_rows(recording)
    rows = [Row([line for line in lines if line["candidate"] == number]) for number in range(len(head["candidates"]))]
    zero = {each["family"]: row for each, row in zip(head["candidates"], rows) if each["alpha"] == 0}
    print("| pairs | α | obeyed | against α = 0 | length | tokens | cut off |\n|---|---|---|---|---|---|---|")
    for each, row in zip(head["candidates"], rows):
        print(f"| {FAMILIES[each['family']].name} | {each['alpha']:g} | {row.text(zero[each['family']])} |")
    scores = [(each["family"], each["alpha"], statistics.mean(row.means()))
              for each, row in zip(head["candidates"], rows)]
    if len(zero) == len(FAMILIES):
        print_headline(scores, rows, zero)
    return scores


def best_alpha(scores, family):
    """The smallest of those with the highest mean."""
    return min((-score, alpha) for of, alpha, score in scores if of == family)[1]


def print_headline(scores, rows, zero):
    """The paper's claim: a fifth of the data, extrapolated, against all of it without."""
    alpha = best_alpha(scores, 1)
    row = next(row for (family, each, _), row in zip(scores, rows) if (family, each) == (1, alpha))
    gain, error = mean_and_error([one - other for one, other in zip(row.means(), zero[0].means())])
    print(f"\nA fifth of the pairs at α = {alpha:g} against all of them at α = 0: {gain:+.3f} ± {error:.3f}.")


def serve(steps, scores, families):
    """Each family at its best α: in float32, and as bfloat16 would serve it."""
    print("\n| pairs | α | weights | running type | obeyed | against float32 | length | tokens | cut off |\n"
          "|---|---|---|---|---|---|---|---|---|")
    for number, family in enumerate(FAMILIES[:families]):
        alpha = best_alpha(scores, number)
        ways = {"float32": ("--dtype", "f32"),
                "stochastic rounding": ("--dtype", "bf16", "--rounding", "stochastic"),
                "rounding to nearest": ("--dtype", "bf16", "--rounding", "nearest")}
        exact = None
        for name, how in ways.items():
            place = "answers" if exact is None else f"served-{how[-1]}"
            groups = by_prompt(answers_at(steps, "dev.jsonl", number, alpha, *how, place=place))
            row = Row([cell(0, prompt, samples) for prompt, samples in enumerate(groups)])
            exact = exact or row
            print(f"| {family.name} | {alpha:g} | {name} | {how[1]} | {row.text(exact)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", type=Path, metavar="RECORDING.jsonl")
    parser.add_argument("--work", type=Path, metavar="FOLDER")
    parser.add_argument("--expo", type=Path, default=ROOT / "build/release/expo", metavar="PROGRAM")
    parser.add_argument("--model", type=Path, default=ROOT / "models/SmolLM2-135M-Instruct.Q4_1.gguf", metavar="GGUF")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--families", type=int, choices=(1, 2), default=2, help="1 records only the model of all pairs")
    parser.add_argument("--served", action="store_true", help="also compare what bfloat16 makes of the best models")
    parser.add_argument("--table", action="store_true", help="only print the table of the recording")
    arguments = parser.parse_args()
    if arguments.table:
        return print_table(arguments.recording)
    if not arguments.work:
        parser.error("--work is needed: the folder that keeps the steps")
    arguments.work.mkdir(parents=True, exist_ok=True)
    steps = Steps(arguments)
    model = steps.work / arguments.model.name
    if not model.exists():
        model.symlink_to(arguments.model.resolve())
    steps.expo("convert", model.name, "-o", "sft", "--out-dtype", "bf16", made="sft/config.json")
    pairs = make_pairs(steps)
    train(steps)
    record(steps, arguments, pairs)
    scores = print_table(arguments.recording)
    if arguments.served:
        serve(steps, scores, arguments.families)
    return None


if __name__ == "__main__":
    main()
