"""The pairs of models that are measured; missing ones are made."""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from machine import ROOT, say
from measure import run_once, sync_folder

BENCH = Path(__file__).parent
EXPO = ROOT / "build/release/expo"
STAND_IN = ROOT / "build/release/examples/expo_stand_in"
SMOLLM2 = ROOT / "models/SmolLM2-135M-Instruct.Q4_1.gguf"


@dataclass
class Pair:
    folder: Path

    @property
    def sft(self):
        return self.folder / "sft"

    @property
    def aligned(self):
        return self.folder / "aligned"

    @property
    def gguf(self):
        """The SFT model in llama.cpp's format; only smollm2_pair has it."""
        return self.folder / "sft.gguf"

    def input_bytes(self):
        return sum(path.stat().st_size for path in self.aligned.glob("*.safetensors"))


def made_once(folder, make):
    """The pair in `folder`; make() is called if it is missing or incomplete."""
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        make()
        sync_folder(folder)
        (folder / "complete").touch()
    return Pair(folder)


def synthetic_pair(parent, layers, tiny):
    options = ["--tiny"] if tiny else []
    folder = parent / f"{'tiny-' if tiny else ''}{layers}-layers"

    def make():
        say(f"making a pair of {layers} layers in {folder}")
        run_once([sys.executable, BENCH / "synthetic_pair.py", folder, str(layers), *options])
    return made_once(folder, make)


def smollm2_pair(parent):
    """SmolLM2-135M-Instruct in bfloat16, the same values as a GGUF, and a copy with noise of a thousandth."""
    pair = Pair(parent / "smollm2-135m")

    def make():
        say(f"making a pair of SmolLM2-135M in {pair.folder}")
        pair.folder.mkdir(parents=True)
        run_once([EXPO, "convert", SMOLLM2, pair.sft, "--out-dtype", "bf16"])
        run_once([STAND_IN, pair.sft, pair.aligned, "0.001", "1"])
        # Only an extrapolation writes one GGUF from another; this one changes nothing.
        run_once([EXPO, "extrapolate", SMOLLM2, SMOLLM2, "-o", pair.gguf, "--alpha", "0", "--out-dtype", "bf16"])
    return made_once(pair.folder, make)
