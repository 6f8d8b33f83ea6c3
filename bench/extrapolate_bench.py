"""Measures `expo extrapolate` side by side with copying, mergekit and the authors' flow, and prints Markdown tables.

Every time counts until the output is on the disk: each contestant's files are synced, and the sync is timed.
Contestants take turns, and medians are given. Outputs are removed and the disk is synced between runs.
"""

import argparse
import json
import resource
import sys
import tempfile
from pathlib import Path

from contestants import ALPHA, CONTESTANTS
from machine import ROOT, machine, say
from measure import Runs, drop_caches, measure, remove, run_once, warm
from models import BENCH, EXPO, synthetic_pair

SECTIONS = ("warm", "cold", "sizes", "threads")
TAKING_PART = {"warm": ("cp", "expo", "expo-stochastic", "mergekit", "authors"), "cold": ("direct", "cp", "expo")}
LAYERS, SMALL_LAYERS, LARGE_LAYERS = 22, 4, 96
TINY_LAYERS = {LAYERS: 3, SMALL_LAYERS: 1, LARGE_LAYERS: 12}


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.data = arguments.data
        self.results = {}

    def pair(self, layers, parent=None):
        quick = self.arguments.quick
        return synthetic_pair(parent or self.data, TINY_LAYERS[layers] if quick else layers, quick)

    def take_turns(self, section, names, pair, prepare):
        """{name: Runs}; the first round begins with the first contestant, the next with the second, and so on."""
        runs = {name: Runs() for name in names}
        exactness = {}
        for number in range(self.arguments.repeats):
            shift = number % len(names)
            for name in names[shift:] + names[:shift]:
                contestant, out = CONTESTANTS[name], pair.folder / "out"
                remove(out)
                prepare(pair)
                measure(contestant.command(pair, out), out, runs[name], contestant.environment)
                say(f"{section}: {name}: {runs[name].seconds[-1]:.2f} s, {runs[name].peak_bytes[-1] / 1e6:.0f} MB")
                if contestant.extrapolates and name not in exactness and section == "warm":
                    exactness[name] = self.exactness(pair, out)
                remove(out)
        self.results[section] = {name: {"seconds": run.seconds, "peak_bytes": run.peak_bytes,
                                        **exactness.get(name, {})} for name, run in runs.items()}
        return runs, exactness

    def exactness(self, pair, out):
        _, _, text = run_once([sys.executable, BENCH / "exactness.py", pair.sft, pair.aligned, out, str(ALPHA)])
        return json.loads(text)

    def chosen(self, *names):
        return [name for name in names if not self.arguments.only or name in self.arguments.only]

    def warm(self):
        pair = self.pair(LAYERS)
        names = self.chosen(*TAKING_PART["warm"])
        runs, exactness = self.take_turns("warm", names, pair, lambda p: warm([p.sft, p.aligned]))
        table = ["| warm cache | seconds, median | range | × `cp` | peak memory | inexact weights per million "
                 "| effective α |", "|---|---:|---:|---:|---:|---:|---:|"]
        for name, run in runs.items():
            exact = exactness.get(name)
            wrong = "–"
            if exact and name != "expo-stochastic":  # which does not aim at the nearest value
                wrong = f"{exact['wrong'] / exact['elements'] * 1e6:,.0f}"
            alpha = f"{exact['effective_alpha']:.4f}" if exact else "–"
            table.append(f"| {CONTESTANTS[name].title} | {run.median:.2f} | {run.spread} | {against(run, runs, 'cp')} "
                         f"| {peak(run)} | {wrong} | {alpha} |")
        self.show(f"α = {ALPHA}, {describe_pair(pair)}", table)

    def cold(self):
        if not drop_caches():
            say("cold: skipped, because emptying the page cache requires root")
            return
        pair = self.pair(LAYERS)
        runs, _ = self.take_turns("cold", self.chosen(*TAKING_PART["cold"]), pair, lambda _: drop_caches())
        table = ["| cold cache | seconds, median | range | × direct I/O | peak memory |", "|---|---:|---:|---:|---:|"]
        for name, run in runs.items():
            table.append(f"| {CONTESTANTS[name].title} | {run.median:.2f} | {run.spread} "
                         f"| {against(run, runs, 'direct')} | {peak(run)} |")
        if "direct" in runs:
            rate = 3 * pair.input_bytes() / runs["direct"].median / 1e9
            table += ["", f"Direct I/O moved {rate:.2f} GB/s in all, reading and writing."]
        self.show(describe_pair(pair), table)

    def sizes(self):
        table = ["| weights | bytes of one input | seconds, median | seconds per GB | peak memory |",
                 "|---:|---:|---:|---:|---:|"]
        for layers in (SMALL_LAYERS, LAYERS, LARGE_LAYERS):
            pair = self.pair(layers)
            runs, _ = self.take_turns(f"sizes/{layers}", ["expo"], pair, lambda _: drop_caches())
            size, run = pair.input_bytes(), runs["expo"]
            table.append(f"| {size / 2e9:.2f} B | {size / 1e9:.2f} GB | {run.median:.2f} "
                         f"| {run.median / size * 1e9:.2f} | {peak(run)} |")
            if layers == LARGE_LAYERS and not self.arguments.keep:
                remove(pair.folder)
        self.show("`expo extrapolate` at three sizes, cold cache where permitted", table)

    def threads(self):
        with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="expo-bench-") as folder:
            pair = self.pair(LAYERS, Path(folder))
            runs = {count: Runs() for count in (1, 2)}
            for _ in range(self.arguments.repeats):
                for count, run in runs.items():
                    out = pair.folder / "out"
                    command = [*CONTESTANTS["expo"].command(pair, out), "--threads", str(count)]
                    measure(command, out, run)
                    say(f"threads: {count}: {run.seconds[-1]:.2f} s")
                    remove(out)
            description = describe_pair(pair)
        self.results["threads"] = {count: run.seconds for count, run in runs.items()}
        table = ["| threads, on tmpfs | seconds, median | range |", "|---:|---:|---:|"]
        table += [f"| {count} | {run.median:.2f} | {run.spread} |" for count, run in runs.items()]
        self.show(f"Two threads are {runs[1].median / runs[2].median:.2f} × as fast as one, on {description}", table)

    def show(self, caption, table):
        print("\n".join(["", *table, "", caption, ""]), flush=True)

    def run(self):
        print(machine())
        for section in self.arguments.sections:
            if section not in TAKING_PART or self.chosen(*TAKING_PART[section]):
                getattr(self, section)()
        self.data.joinpath("results.json").write_text(
            json.dumps({"machine": machine(), "repeats": self.arguments.repeats, **self.results}, indent=1))
        if not self.arguments.keep:
            for folder in self.data.glob("*-layers"):
                remove(folder)


def against(run, runs, name):
    return f"{run.median / runs[name].median:.2f}" if name in runs else "–"


def peak(run):
    """A child's peak starts at the peak of this process, so nothing below that can be measured."""
    floor = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return f"{run.peak / 1e6:,.0f} MB" if run.peak > floor else f"under {floor / 1e6:.0f} MB"


def describe_pair(pair):
    layers = json.loads((pair.aligned / "config.json").read_text())["num_hidden_layers"]
    return f"a bfloat16 Llama pair of {pair.input_bytes() / 2e9:.2f} B weights ({layers} layers, three shards each)"


def parse_arguments():
    words = lambda text: text.split(",")  # noqa: E731
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tiny model, to see whether the benchmark works")
    parser.add_argument("--sections", type=words, default=list(SECTIONS), help=f"of {','.join(SECTIONS)}")
    parser.add_argument("--only", type=words, help=f"contestants: of {','.join(CONTESTANTS)}")
    parser.add_argument("--repeats", type=int, default=5, help="rounds (default: 5)")
    parser.add_argument("--data", type=Path, default=ROOT / "build/bench-data", help="folder in which the models are made")
    parser.add_argument("--keep", action="store_true", help="leave the models there")
    arguments = parser.parse_args()
    for given, known in ((arguments.sections, SECTIONS), (arguments.only or [], CONTESTANTS)):
        if unknown := set(given) - set(known):
            parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if not EXPO.exists():
        parser.error(f"{EXPO} is not built; bench/run builds it")
    return arguments


if __name__ == "__main__":
    ARGUMENTS = parse_arguments()
    ARGUMENTS.data.mkdir(parents=True, exist_ok=True)
    Bench(ARGUMENTS).run()
