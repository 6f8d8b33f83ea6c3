"""The contestants of the benchmark, and the command that each of them runs."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

from machine import ROOT
from models import BENCH, EXPO

BASELINE = ROOT / "build/release/bench/direct_io_baseline"
ALPHA = 0.3

MERGEKIT_RECIPE = """\
merge_method: task_arithmetic
base_model: {sft}
models:
  - model: {aligned}
    parameters:
      weight: {weight}
parameters:
  normalize: false
  lambda: 1.0
dtype: bfloat16
"""


@dataclass
class Contestant:
    name: str
    title: str
    command: callable  # (pair, out) -> list of words
    environment: dict = field(default_factory=dict)
    extrapolates: bool = True


def expo(*options):
    return lambda pair, out: [EXPO, "extrapolate", pair.sft, pair.aligned, "-o", out, "--alpha", str(ALPHA), *options]


def mergekit(pair, out):
    recipe = pair.folder / "mergekit.yaml"
    recipe.write_text(MERGEKIT_RECIPE.format(sft=pair.sft, aligned=pair.aligned, weight=1 + ALPHA))
    return [Path(sys.executable).parent / "mergekit-yaml", recipe, out, "--lazy-unpickle", "--no-copy-tokenizer",
            "--no-write-model-card", "--async-write", "--quiet"]


def authors(pair, out):
    return [sys.executable, BENCH / "authors_flow.py", pair.sft, pair.aligned, out, str(ALPHA)]


def direct(pair, out):
    out.mkdir()
    files = [path for shard in sorted(pair.sft.glob("*.safetensors"))
             for path in (shard, pair.aligned / shard.name)]
    return [BASELINE, "4", "8", out, *files]


OFFLINE = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
CONTESTANTS = {
    contestant.name: contestant
    for contestant in (
        Contestant("cp", "`cp` of one input", lambda pair, out: ["cp", "-r", pair.aligned, out], extrapolates=False),
        Contestant("direct", "two reads and one write by direct I/O", direct, extrapolates=False),
        Contestant("expo", "`expo extrapolate --rounding nearest`", expo("--rounding", "nearest")),
        Contestant("expo-stochastic", "`expo extrapolate --rounding stochastic`", expo("--rounding", "stochastic")),
        Contestant("mergekit", "mergekit `task_arithmetic`", mergekit, OFFLINE),
        Contestant("authors", "the authors' flow in transformers", authors, OFFLINE),
    )
}
