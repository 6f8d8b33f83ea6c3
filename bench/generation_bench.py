"""Measures generation side by side with llama.cpp and transformers, and how fast weights load and move to another α.

Speed is the number of new tokens over the wall time of prefill, decoding and sampling; llama-batched-bench decodes random
tokens, so that its time has no sampling in it. Of a prefill, and of `score`, it is the number of tokens that went in. All
compute in bfloat16, on as many threads as there are cores, with the instruction set that EXPO_ISA names. Contestants take
turns, each time in a process of its own, and medians are given. The section `beside` measures what is left of expo's speed
while another program spins on every core, and while a second expo does the same work.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

import live_weights
from generation_contestants import CONTESTANTS, SPEED, Task, result_line
from instruction_set import environment, instruction_set, llama_batched_bench
from machine import ROOT, cores, machine, say
from measure import remove, run_watched
from models import smollm2_pair, synthetic_pair

SECTIONS = ("answers", "prefill", "beside", "move", "load")
ANSWERING = ("llama.cpp", "transformers", "expo", "expo-sampling", "expo-deterministic")
READING = ("llama.cpp", "expo", "expo-score")
OFFLINE = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
PROMPT_TOKENS, NEW_TOKENS = 40, 96
READ_ROWS, READ_TOKENS = 4, 512
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
        for task in self.tasks():
            series = self.take_turns(f"answers/{task.batch}", task, ANSWERING)
            show(f"SmolLM2-135M, {task.batch} at once: prompts of {task.prompt_tokens} tokens, answers of "
                 f"{task.new_tokens}. {disturbance(series)}", answers_table(f"batch {task.batch}", series))

    def prefill(self):
        tokens = QUICK_PROMPT_TOKENS if self.arguments.quick else READ_TOKENS
        series = self.take_turns("prefill", Task(READ_ROWS, tokens, 1, cores()), READING)
        show(f"SmolLM2-135M reads {READ_ROWS} prompts of {tokens} tokens; `score` gives the log-probabilities of each row's "
             f"second half. {disturbance(series)}", answers_table("prefill", series))

    def beside(self):
        """expo alone, beside a program that spins, and beside a second expo, in turns."""
        table = ["| batch | neighbour | alone, tokens/s | beside | share of the quiet speed, median | range |",
                 "|---:|---|---:|---:|---:|---:|"]
        for task in self.tasks():
            command = CONTESTANTS["expo"].command(self.pair(), task)
            neighbours = {"spins": spinning, "a second expo": lambda: repeating(command, self.environment)}
            speeds = {name: [] for name in neighbours}
            for _ in range(self.arguments.repeats):
                alone = self.speed("expo", task, run_watched(command, self.environment))
                for name, neighbour in neighbours.items():
                    with neighbour():
                        speeds[name].append((alone, self.speed("expo", task, run_watched(command, self.environment))))
            self.results[f"beside/{task.batch}"] = speeds
            table += [beside_row(task, name, pairs) for name, pairs in speeds.items()]
        show(f"expo alone, beside a program that spins on all {cores()} cores, and beside another expo that does the same.", table)

    def pair(self):
        return smollm2_pair(self.arguments.data)

    @property
    def environment(self):
        return {**OFFLINE, **environment()}

    @staticmethod
    def speed(name, task, watched):
        line = result_line(watched.text)
        if line.get("new_tokens", task.made) != task.made:
            raise SystemExit(f"{name} made {line['new_tokens']} tokens, but {task.made} were asked for")
        return task.counted / CONTESTANTS[name].seconds(line)

    def take_turns(self, title, task, contestants):
        """{name: Series}; the first round begins with the first contestant, the next with the second, and so on."""
        names = [name for name in contestants if not self.arguments.only or name in self.arguments.only]
        series = {name: Series() for name in names}
        for number in range(self.arguments.repeats):
            shift = number % len(names)
            for name in names[shift:] + names[:shift]:
                watched = run_watched(CONTESTANTS[name].command(self.pair(), task), self.environment)
                series[name].add(self.speed(name, task, watched), watched, result_line(watched.text))
                say(f"{title}: {name}: {series[name].speeds[-1]:.1f} tokens/s, "
                    f"{watched.peak_anonymous_bytes / 1e6:.0f} MB; others {watched.others_cores:.1f} cores")
        self.results[title] = {name: vars(one) for name, one in series.items()}
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
            json.dumps({"machine": machine("generation"), "instructions": instruction_set(), "repeats": self.arguments.repeats, **self.results}, indent=1))
        if not self.arguments.keep:
            for folder in (*self.arguments.data.glob("smollm2-135m"), *self.arguments.data.glob("*-layers")):
                remove(folder)


def beside_row(task, neighbour, speeds):
    """`speeds` are pairs: alone, and beside."""
    shares = [beside / alone for alone, beside in speeds]
    return (f"| {task.batch} | {neighbour} | {statistics.median(one for one, _ in speeds):,.1f} "
            f"| {statistics.median(one for _, one in speeds):,.1f} | {statistics.median(shares):.2f} "
            f"| {min(shares):.2f}–{max(shares):.2f} |")


@contextmanager
def spinning():
    """A neighbour that keeps every core busy."""
    spinners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(cores())]
    try:
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()


@contextmanager
def repeating(command, environment):
    """A neighbour that runs a command again and again."""
    over = Event()

    def repeat():
        while not over.is_set():
            with subprocess.Popen([str(word) for word in command], env={**os.environ, **environment},
                                  stdout=subprocess.DEVNULL) as process:
                while process.poll() is None:
                    if over.wait(0.05):
                        process.kill()
    thread = Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def disturbance(series):
    busy = max(max(one.others_cores) for one in series.values())
    return f"Other work kept up to {busy:.1f} cores busy meanwhile."


def answers_table(title, series):
    table = [f"| {title} | tokens/s, median | range | × llama.cpp | peak anonymous memory | peak resident memory "
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
    peers = [llama_batched_bench()] if "llama.cpp" in (arguments.only or CONTESTANTS) else []
    for program in (SPEED, live_weights.PROGRAM, *peers):
        if not program.exists():
            parser.error(f"{program} is not built; bench/run generation builds it if libtorch is installed")
    return arguments


if __name__ == "__main__":
    ARGUMENTS = parse_arguments()
    ARGUMENTS.data.mkdir(parents=True, exist_ok=True)
    Bench(ARGUMENTS).run()
