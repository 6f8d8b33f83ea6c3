#!/usr/bin/env python3
"""How far the objectives without a reward go wrong: on the real pair of record_pair.py, against the graded truth.

    proxy_table.py --work FOLDER [--expo PROGRAM] [--threads N] [--rows N] [--pairs N]

FOLDER is that of record_pair.py. `implicit` scores the recorded answers by log π_θ(y|x) − log π_sft(y|x); `preference`
sees pairs of right and wrong answers of θ_sft and θ to development prompts, which trained nothing. Steps that are done
are skipped. The tables of docs/search/proxies.md go to the standard output.
"""

import argparse
import json
import statistics
from pathlib import Path

from record_pair import ROOT, Steps, by_prompt, graded, preference_pairs, read_rows, say, write_rows

BETA = 0.1
ALPHAS = (0, 0.5, 2, 4, 8, 12, 16, 25)
FAMILY = "all"


def answers(steps, alpha):
    return steps.work / f"answers/{FAMILY}_{alpha:g}.jsonl"


def log_probs(steps, model, alpha, count):
    output = f"proxies/{model.split('/')[0]}_{alpha:g}_{count}.jsonl"
    steps.expo("score", model, answers(steps, alpha).relative_to(steps.work), "--log-probs", "--dtype", "f32",
               "--limit", count, "-o", output, "--resume", made=output)
    return [row["log_prob"] for row in read_rows(steps.work / output)]


def implicit(steps, alpha, count):
    """The mean reward of each prompt, of so many answers in all."""
    rewards = [one - other for one, other in zip(log_probs(steps, f"{FAMILY}/final", alpha, count),
                                                 log_probs(steps, "sft", alpha, count), strict=True)]
    rows = [{**row, "reward": reward}
            for row, reward in zip(read_rows(answers(steps, alpha))[:count], rewards, strict=True)]
    return [statistics.mean(row["reward"] for row in samples) for samples in by_prompt(rows)]


def make_pairs(steps, count):
    """The file of at most so many pairs, and how many it has."""
    rows = [row for alpha in (-1, 0) for row in graded(answers(steps, alpha))]
    pairs = preference_pairs(rows)
    say(f"{len(pairs)} pairs that trained nothing; {min(count, len(pairs))} are used")
    file = f"proxies/pairs_{len(pairs[:count])}.jsonl"
    write_rows(steps.work / file, pairs[:count])
    return file, len(pairs[:count])


def preference(steps, name, pairs, *how):
    """The mean at each α with its standard error, and the number of pairs: those that choose, the same at each α."""
    run = f"proxies/{name}_{pairs[1]}"
    steps.expo("search", "sft", f"{FAMILY}/final", "--pairs", pairs[0], "--dtype", "f32", "--alphas",
               ",".join(f"{alpha:g}" for alpha in ALPHAS), "-o", run, *how, made=f"{run}/search.json")
    with open(steps.work / run / "search.json", encoding="utf-8") as file:
        found = json.load(file)
    parts = {each["alpha"]: each["choosing"] for each in found["candidates"] if each["alpha"] >= 0}
    say(f"{name}: {found['verdict']}, at α = {found['alpha']:g}; {len(found['tied'])} α are not told apart from the best, "
        f"of {parts[0]['prompts']} pairs that choose")
    return {alpha: (part["mean"], part["standard_error"]) for alpha, part in parts.items()}


def shown(number, how=".3f"):
    return format(number, how).replace("-", "−")


def of_prompts(values):
    return statistics.mean(values), statistics.stdev(values) / len(values) ** 0.5


def print_table(columns):
    names = list(columns)
    print("| α | " + " | ".join(names) + " |\n|" + "---|" * (len(names) + 1))
    for alpha in ALPHAS:
        cells = [columns[name][alpha] for name in names]
        print(f"| {alpha:g} | " + " | ".join(f"{shown(mean)} ± {error:.3f}" for mean, error in cells) + " |")


def ranks(values):
    """Mean ranks, equal values alike."""
    return [sum(other < value for other in values) + sum(other == value for other in values) / 2 for value in values]


def print_choices(columns):
    """What each objective would choose, and what that is worth by the truth."""
    truth = columns["obeyed"]
    best = max(truth.values())[0]
    print("\n| objective | its best α | obeyed there | lost against the best α | rank correlation with obeyed |\n"
          "|---|---|---|---|---|")
    for name, column in columns.items():
        if column is truth:
            continue
        chosen = max((mean, -alpha) for alpha, (mean, _) in column.items())[1]
        both = [ranks([where[alpha][0] for alpha in ALPHAS]) for where in (truth, column)]
        print(f"| {name} | {-chosen:g} | {truth[-chosen][0]:.3f} | {best - truth[-chosen][0]:.3f} | "
              f"{shown(statistics.correlation(*both), '+.2f')} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--expo", type=Path, default=ROOT / "build/release/expo", metavar="PROGRAM")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rows", type=int, default=100, help="answers at each α that `implicit` scores")
    parser.add_argument("--pairs", type=int, default=100, help="pairs that `preference` sees at most")
    arguments = parser.parse_args()
    steps = Steps(arguments)
    (steps.work / "proxies").mkdir(exist_ok=True)
    pairs = make_pairs(steps, arguments.pairs)
    columns = {"obeyed": {alpha: of_prompts([statistics.mean(row["score"] for row in samples)
                                             for samples in by_prompt(graded(answers(steps, alpha)))])
                          for alpha in ALPHAS}}
    columns["implicit"] = {alpha: of_prompts(implicit(steps, alpha, arguments.rows)) for alpha in ALPHAS}
    columns["preference, accuracy"] = preference(steps, "accuracy", pairs)
    columns[f"preference, −DPO loss at β = {BETA:g}"] = preference(steps, "loss", pairs, "--dpo-beta", f"{BETA:g}")
    print_table(columns)
    print_choices(columns)


if __name__ == "__main__":
    main()
