"""Measures generation side by side with llama.cpp and transformers, and how fast weights load and move to another α.

Speed is the number of new tokens over the wall time of prefill, decoding and sampling; llama-batched-bench decodes random
tokens, so that its time has no sampling in it. All compute in bfloat16, on as many threads as there are cores.
Contestants take turns, each time in a process of its own, and medians are given.
"""

import argparse
import json
import os
import statistics
from dataclasses import dataclass, field
from pathlib import Path

import live_weights
from generation_contestants import CONTESTANTS, LLAMA_CPP, SPEED, Task, result_line
from machine import ROOT, cores, machine, say
from measure import remove, run_watched
from models import smollm2_pair, synthetic_pair

SECTIONS = ("answers", "move", "load")
OFFLINE = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
PROMPT_TOKENS, NEW_TOKENS = 40, 96
QUICK_BATCH, QUICK_PROMPT_TOKENS, QUICK_NEW_TOKENS = [1, 3], 8, 4
MOVES, QUICK_MOVES = 9, 2
LAYERS, TINY_LAYERS = 22, 3


@dataclass
class Series:
    """All runs of one contestant at one batch size."""

    speeds: list = field(default_factory=list)  # new tokens per second
    peak_bytes: list = field(default_factory=list)
    peak_anonymous_bytes: list = field(default_factory=list)
    others_cores: list = field(default_factory=list)
    needed_bytes: int | None = None  # weights and cache, if the contestant reports them

    @property
    def median(self):
        return statistics.median(self.speeds)

    def add(self, speed, watched, line):
        self.speeds.append(speed)
        self.peak_bytes.append(watched.peak_bytes)
        self.peak_anonymous_bytes.append(watched.peak_anonymous_bytes)
        self.others_cores.append(watched.others_cores)
        if "cache_bytes" in line:
            self.needed_bytes = line["weight_bytes"] + line["cache_bytes"]


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.results = {}

    def tasks(self):
        if self.arguments.quick:
            return [Task(batch, QUICK_PROMPT_TOKENS, QUICK_NEW_TOKENS, cores()) for batch in QUICK_BATCH]
        return [Task(batch, PROMPT_TOKENS, NEW_TOKENS, cores()) for batch in self.arguments.batch]

    def answers(self):
        pair = smollm2_pair(self.arguments.data)
        for task in self.tasks():
            series = self.take_turns(pair, task)
            self.results[f"answers/{task.batch}"] = {name: vars(one) for name, one in series.items()}
            disturbance = max(max(one.others_cores) for one in series.values())
            show(f"SmolLM2-135M, {task.batch} at once: prompts of {task.prompt_tokens} tokens, answers of "
                 f"{task.new_tokens}. Other work kept up to {disturbance:.1f} cores busy meanwhile.",
                 answers_table(task, series))

    def take_turns(self, pair, task):
        """{name: Series}; the first round begins with the first contestant, the next with the second, and so on."""
        names = [name for name in CONTESTANTS if not self.arguments.only or name in self.arguments.only]
        series = {name: Series() for name in names}
        for number in range(self.arguments.repeats):
            shift = number % len(names)
            for name in names[shift:] + names[:shift]:
                contestant = CONTESTANTS[name]
                watched = run_watched(contestant.command(pair, task), OFFLINE)
                line = result_line(watched.text)
                if line.get("new_tokens", task.made) != task.made:
                    raise SystemExit(f"{name} made {line['new_tokens']} tokens, but {task.made} were asked for")
                series[name].add(task.made / contestant.seconds(line), watched, line)
                say(f"answers/{task.batch}: {name}: {series[name].speeds[-1]:.1f} tokens/s, "
                    f"{watched.peak_anonymous_bytes / 1e6:.0f} MB; others {watched.others_cores:.1f} cores")
        return series

    def pairs(self):
        """Yields (title, Pair) for the models that are loaded and moved."""
        yield "SmolLM2-135M", smollm2_pair(self.arguments.data)
        if self.arguments.quick:
            yield "tiny Llama", synthetic_pair(self.arguments.data, TINY_LAYERS, True)
        else:
            yield "Llama of 1.1 B", synthetic_pair(self.arguments.data, LAYERS, False)

    def move(self):
        self.results["move"], *table = live_weights.move(self.pairs(), QUICK_MOVES if self.arguments.quick else MOVES)
        show(*table)

    def load(self):
        self.results["load"], *table = live_weights.load(self.pairs(), self.arguments.repeats)
        show(*table)

    def run(self):
        print(machine("generation"), f"Load average at the start: {os.getloadavg()[0]:.1f}.")
        for section in self.arguments.sections:
            getattr(self, section)()
        self.arguments.data.joinpath("generation.json").write_text(
            json.dumps({"machine": machine("generation"), "repeats": self.arguments.repeats, **self.results}, indent=1))
        if not self.arguments.keep:
            for folder in (*self.arguments.data.glob("smollm2-135m"), *self.arguments.data.glob("*-layers")):
                remove(folder)


def answers_table(task, series):
    table = [f"| batch {task.batch} | tokens/s, median | range | × llama.cpp | peak anonymous memory | peak resident memory "
             "| beyond weights and cache |", "|---|---:|---:|---:|---:|---:|---:|"]
    for name, one in series.items():
        ratio = f"{one.median / series['llama.cpp'].median:.2f}" if "llama.cpp" in series else "–"
        anonymous = max(one.peak_anonymous_bytes)
        beyond = f"{(anonymous - one.needed_bytes) / 1e6:,.0f} MB" if one.needed_bytes else "–"
        table.append(f"| {CONTESTANTS[name].title} | {one.median:,.1f} | {min(one.speeds):,.1f}–{max(one.speeds):,.1f} "
                     f"| {ratio} | {anonymous / 1e6:,.0f} MB | {max(one.peak_bytes) / 1e6:,.0f} MB | {beyond} |")
    return table


def show(caption, table):
    print("\n".join(["", *table, "", caption, ""]), flush=True)


def parse_arguments():
    words = lambda text: text.split(",")  # noqa: E731
    parser = argparse.ArgumentParser(prog="bench/run generation", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few tokens and one round, to see whether the benchmark works")
    parser.add_argument("--sections", type=words, default=list(SECTIONS), help=f"of {','.join(SECTIONS)}")
    parser.add_argument("--only", type=words, help=f"contestants: of {','.join(CONTESTANTS)}")
    parser.add_argument("--batch", type=lambda text: [int(word) for word in words(text)], default=[1, 16, 64],
                        help="prompts at once (default: 1,16,64)")
    parser.add_argument("--repeats", type=int, help="rounds (default: 3)")
    parser.add_argument("--data", type=Path, default=ROOT / "build/bench-data", help="folder in which the models are made")
    parser.add_argument("--keep", action="store_true", help="leave the models there")
    arguments = parser.parse_args()
    arguments.repeats = arguments.repeats or (1 if arguments.quick else 3)
    for given, known in ((arguments.sections, SECTIONS), (arguments.only or [], CONTESTANTS)):
        if unknown := set(given) - set(known):
            parser.error(f"unknown: {', '.join(sorted(unknown))}")
    for program in (SPEED, live_weights.PROGRAM, LLAMA_CPP):
        if not program.exists():
            parser.error(f"{program} is not built; bench/run generation builds it if libtorch is installed")
    return arguments


if __name__ == "__main__":
    ARGUMENTS = parse_arguments()
    ARGUMENTS.data.mkdir(parents=True, exist_ok=True)
    Bench(ARGUMENTS).run()
