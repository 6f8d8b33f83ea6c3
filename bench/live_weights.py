"""Measures how fast LiveWeights move to another α and load, compared with what memory and disk allow."""

import statistics
import sys

from generation_contestants import result_line
from machine import ROOT, cores, say
from measure import drop_caches, run_once, warm
from models import BENCH

PROGRAM = ROOT / "build/release/bench/live_weights_speed"


def run_program(pair, moves):
    _, _, text = run_once([PROGRAM, pair.sft, pair.aligned, "--moves", str(moves), "--threads", str(cores())])
    return result_line(text)


def spread(seconds):
    """Two cells of a table."""
    return f"{statistics.median(seconds):.3f} | {min(seconds):.3f}–{max(seconds):.3f}"


def move(pairs, moves):
    """Returns (results, caption, table) of move_to and of a triad that reads and writes as many bytes."""
    results = {}
    table = ["| two checkpoints in the page cache | weights | `move_to`, median | range | triad, median | range "
             "| triad ÷ `move_to` |", "|---|---:|---:|---:|---:|---:|---:|"]
    for title, pair in pairs:
        warm([pair.sft, pair.aligned])
        results[title] = line = run_program(pair, moves)
        moved, triad = line["move_seconds"], line["triad_seconds"]
        ratio = statistics.median(triad) / statistics.median(moved)
        say(f"move: {title}: triad ÷ move_to {ratio:.2f}")
        table.append(f"| {title} | {line['weight_bytes'] / 1e6:,.0f} MB | {spread(moved)} | {spread(triad)} "
                     f"| {ratio:.2f} |")
    caption = (f"Seconds on {cores()} threads, {moves} times in turns; the triad is a[i] = b[i] + s·c[i] in float32, over "
               "three arrays in memory of the weights' size each.")
    return results, caption, table


def cat(files):
    seconds, _, _ = run_once(["sh", "-c", 'cat "$@" >/dev/null', "cat", *files])
    return seconds


def reader(*options):
    def seconds(files):
        _, _, text = run_once([sys.executable, BENCH / "read_files.py", *options, *files])
        return float(text)
    return seconds


INTO_MEMORY = "read into new memory of their size"


def load(pairs, repeats):
    """Returns (results, caption, table) of constructing the weights and of merely reading the same files."""
    results = {}
    table = ["| | file bytes | seconds, median | range | GB/s |", "|---|---:|---:|---:|---:|"]
    for title, pair in pairs:
        files, size = sorted(pair.aligned.glob("*.safetensors")), pair.input_bytes()
        expo = lambda _: run_program(pair, 0)["load_seconds"]  # noqa: E731
        states = {"warm": (lambda: warm([pair.aligned]), {"`cat` to /dev/null": cat,
                                                          INTO_MEMORY: reader("--into-memory", "--cached"), "expo": expo}),
                  "cold": (drop_caches, {"read by direct I/O": reader(),
                                                INTO_MEMORY: reader("--into-memory"), "expo": expo})}
        for state, (prepare, readers) in states.items():
            if prepare() is False:
                say("load: no cold cache, because emptying the page cache requires root")
                continue
            series = take_turns(readers, files, prepare, repeats)
            for name, seconds in series.items():
                say(f"load: {title}, {state}: {name}: {statistics.median(seconds):.3f} s")
                table.append(f"| {title}, {state} cache: {name} | {size / 1e6:,.0f} MB | {spread(seconds)} "
                             f"| {size / statistics.median(seconds) / 1e9:.2f} |")
            results[f"{title}, {state}"] = series
    caption = ("From opening the checkpoint to weights in bfloat16; of expo without the program's own start. Where a machine "
               f"gives free memory back to its host, getting it anew takes longer than the disk: then \"{INTO_MEMORY}\" "
               "is what a loader can reach.")
    return results, caption, table


def take_turns(readers, files, prepare, repeats):
    series = {name: [] for name in readers}
    for _ in range(repeats):
        for name, read in readers.items():
            prepare()
            series[name].append(read(files))
    return series
