"""The instruction set that is measured, and how the contestants are held to it."""

import os
import subprocess

from machine import ROOT

LLAMA_CPP = ROOT / "build/bench/llama.cpp"
# ATen's, oneDNN's and MKL's own words. A processor's own set needs none.
HELD_TO = {
    "avx2": ("avx2", "AVX2", "AVX2"),
    "avx512": ("avx512", "AVX512_CORE", "AVX512"),
    "avx512_bf16": ("avx512", "AVX512_CORE_BF16", "AVX512_E3"),
}


def is_held():
    """Whether EXPO_ISA asks for a certain set."""
    return "EXPO_ISA" in os.environ


def instruction_set():
    """The set's name in expo."""
    program = ROOT / "build/release/bench/instruction_set"
    return subprocess.run([program], capture_output=True, text=True, check=True).stdout.strip()


def environment():
    """What holds the libraries of PyTorch to the set."""
    names = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS")
    return dict(zip(names, HELD_TO.get(instruction_set(), ()))) if is_held() else {}


def llama_batched_bench():
    """llama.cpp's program, built for this processor or, if EXPO_ISA is set, for that set."""
    return LLAMA_CPP / f"llama-batched-bench-{instruction_set() if is_held() else 'native'}"
