#!/usr/bin/env python3
"""Replays the strategies of a search for α on simulations and on the recording, and prints the tables of
docs/search/replays.md; the figure of that page is written too.

    bench/replays_bench.py [--seeds N] [--first-seed N] [--work FOLDER] [--figure FILE.svg]

FOLDER keeps what each program printed, so that the same command goes on where it was interrupted. `bench/run replays`
builds the programs first. The figure needs matplotlib.
"""

import argparse
import re
import statistics
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = ROOT / "build/release/bench"
RECORDING = ROOT / "docs/search/recordings/smollm2.jsonl"
SHAPES = ("one-peak", "two-peaks", "cliff", "peak-at-0.1", "peak-at-25", "between", "very-noisy", "heavy-tails", "falling")
STRATEGIES = ("grid", "halving", "race")
COLOURS = {"grid": "#8a8a8a", "halving": "#c77700", "race": "#0b62a8"}


@dataclass
class Line:
    """A line of search_replay."""

    truth: str
    budget: str
    strategy: str
    regret: float
    error: float
    rest: list

    def shown(self):
        return f"{self.regret:.3f} ± {self.error:.3f}".replace("± 0.", "± .")


def jobs(arguments):
    """What is run, by the name of the file that keeps its output."""
    seeds = ["--seeds", str(arguments.seeds), "--first-seed", str(arguments.first_seed)]
    replay = [PROGRAMS / "search_replay"]
    all_jobs = {shape: [*replay, shape, *seeds, "--no-confirm"] for shape in SHAPES}
    all_jobs["claims"] = [*replay, "flat", "falling", *seeds]
    for family in range(families()):
        all_jobs[f"recording-{family}"] = [*replay, "recording", "recording-without-gain", "--recording", RECORDING,
                                           "--family", str(family), *seeds]
    all_jobs["coverage"] = [PROGRAMS / "interval_coverage", "--draws", "1999"]
    all_jobs["verdicts"] = [PROGRAMS / "verdict_errors"]
    return all_jobs


def families():
    with open(RECORDING, encoding="utf-8") as lines:
        return 1 + max(map(int, re.findall(r'"family":\s*(\d+)', lines.readline())), default=0)


def output(name, command, work):
    kept = work / f"{name}.md"
    if not kept.is_file():
        done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, text=True, check=True)
        partial = kept.with_suffix(".partial")
        partial.write_text(done.stdout, encoding="utf-8")
        partial.replace(kept)
    return kept.read_text(encoding="utf-8")


def read_lines(text):
    lines = []
    for row in text.splitlines()[2:]:
        truth, budget, strategy, regret, *rest = (cell.strip() for cell in row.strip("|").split("|"))
        mean, error = map(float, regret.split(" ± "))
        lines.append(Line(truth, budget, strategy, mean, error, rest))
    return lines


def regret_table(shapes):
    """The regrets of all shapes: a row for each budget and strategy."""
    print(f"| budget | strategy | {' | '.join(SHAPES)} | mean |\n|---|---|{'---|' * (len(SHAPES) + 1)}")
    for row in zip(*(shapes[shape] for shape in SHAPES), strict=True):
        mean = statistics.mean(line.regret for line in row)
        print(f"| {row[0].budget} | {row[0].strategy} | {' | '.join(line.shown() for line in row)} | {mean:.3f} |")


def recording_table(lines):
    print("| budget | strategy | regret | a gain is found | undecided |\n|---|---|---|---|---|")
    for line in lines:
        if line.truth == "recording":
            print(f"| {line.budget} | {line.strategy} | {line.shown()} | {line.rest[1]} | {line.rest[3]} |")


def claims_table(lines):
    print("| truth | budget | strategy | false claims | undecided |\n|---|---|---|---|---|")
    for line in lines:
        if line.truth != "recording" and line.strategy in STRATEGIES:
            print(f"| {line.truth} | {line.budget} | {line.strategy} | {line.rest[2]} | {line.rest[3]} |")


def draw(shapes, path):
    """A panel for each shape: regret over the budget, and that of the grid on all prompts as a line."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "expo", "font.size": 9})
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(3, -(-len(shapes) // 3), figsize=(9, 8), sharex=True, sharey=True, layout="constrained")
    for axis, (name, lines) in zip(axes.flat, shapes.items(), strict=True):
        full = next(line for line in lines if line.budget == "100 %")
        axis.axhline(full.regret, color="#333333", linewidth=0.8, linestyle=":", label="full grid, nothing confirmed")
        for strategy in STRATEGIES:
            points = [line for line in lines if line.strategy == strategy]
            axis.errorbar([float(line.budget[:-2]) for line in points], [line.regret for line in points],
                          [2 * line.error for line in points], color=COLOURS[strategy], marker="o", markersize=3.5,
                          linewidth=1.3, capsize=2, label=strategy)
        axis.set_title(name, fontsize=9)
        axis.set_xticks([10, 25, 50])
        axis.grid(alpha=0.25, linewidth=0.5)
        axis.spines[["top", "right"]].set_visible(False)
    axes.flat[0].set_ylim(bottom=0)
    axes.flat[0].legend(frameon=False, fontsize=7.5)
    figure.supxlabel("budget, in % of the tokens of the full grid (a third is kept for the confirmation)", fontsize=9)
    figure.supylabel("mean regret, as a share of the best gain (bars: 2 standard errors)", fontsize=9)
    figure.savefig(path, metadata={"Date": None})


def print_all(texts, figure):
    shapes = {shape: read_lines(texts[shape]) for shape in SHAPES}
    recordings = {name: read_lines(text) for name, text in texts.items() if name.startswith("recording")}
    print(f"## Intervals\n\n{texts['coverage']}\n## Verdicts\n\n{texts['verdicts']}\n## Strategies\n")
    regret_table(shapes)
    for name, lines in recordings.items():
        print(f"\n## {name}\n")
        recording_table(lines)
    print("\n## Claims\n")
    claims_table([*read_lines(texts["claims"]), *(line for lines in recordings.values() for line in lines)])
    if figure:
        draw(shapes, figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2000)
    parser.add_argument("--first-seed", type=int, default=10_001, help="the race was tuned on seeds below 10,000")
    parser.add_argument("--work", type=Path, default=ROOT / "build/replays", metavar="FOLDER")
    parser.add_argument("--figure", type=Path, metavar="FILE.svg")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(arguments.threads) as pool:
        running = {name: pool.submit(output, name, command, arguments.work)
                   for name, command in jobs(arguments).items()}
        texts = {name: each.result() for name, each in running.items()}
    print_all(texts, arguments.figure)


if __name__ == "__main__":
    main()
