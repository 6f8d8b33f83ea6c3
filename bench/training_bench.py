#!/usr/bin/env python3
"""DPO of SmolLM2-135M side by side: expo in bfloat16 and float32, TRL in bfloat16 and, if asked, float32.

    bench/training_bench.py [--steps N] [--threads N] [--contestants expo-bf16,expo-f32,trl-bf16,trl-bf16-pre,trl-f32]

48 pairs of 20 to 150 words, batches of 8, the model in models/. A step's tokens are those of all its rows, each counted
once. TRL computes the reference's log-probabilities in every step, unless it is told to do so before the first one
(trl-bf16-pre), as expo always does. The first step of each contestant warms up and is not counted. Peak memory is the process's largest resident set, from
beginning to end. Processor seconds show how busy the machine was with other work. EXPO_ISA=avx2 (or avx512, …) holds all
of them to an instruction set, which the first line names. Run it with .bench-venv/bin/python.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from instruction_set import environment as held_to
from instruction_set import instruction_set

ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT / "models/SmolLM2-135M-Instruct.Q4_1.gguf"
CONTESTANTS = ("expo-bf16", "expo-f32", "trl-bf16", "trl-bf16-pre", "trl-f32")


def run(command, threads):
    """Runs one process and returns (peak bytes, processor seconds)."""
    environment = {**os.environ, **held_to(), "OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen([str(word) for word in command], env=environment, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{command[0]} failed:\n{errors.decode(errors='replace')[-3000:]}")
    return usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime


def expo(binary, model, pairs, scratch, options, bf16):
    out = scratch / "run"
    shutil.rmtree(out, ignore_errors=True)
    peak, busy = run([binary, "train", "dpo", "--model-name-or-path", model, "--dataset-name", pairs, "--output-dir", out,
                      "--per-device-train-batch-size", 8, "--gradient-accumulation-steps", 1, "--beta", 0.1,
                      "--learning-rate", 1e-6, "--train-sampling-strategy", "sequential", "--max-steps", options.steps,
                      "--warmup-ratio", 1 / options.steps, "--threads", options.threads, "--device", "cpu", "--bf16", str(bf16).lower()],
                     options.threads)
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return {"losses": [line["loss"] for line in lines], "tokens": [line["tokens"] for line in lines],
            "seconds": [line["tokens"] / line["tokens_per_second"] for line in lines], "peak_bytes": peak, "busy": busy}


def trl(model, pairs, scratch, options, bf16, precompute):
    result = scratch / "trl.json"
    peak, busy = run([sys.executable, "-B", ROOT / "bench/trl_dpo.py", model, pairs, result, "--steps", options.steps,
                      "--threads", options.threads, *([] if bf16 else ["--float32"]), *(["--precompute"] if precompute else [])], options.threads)
    return {**json.loads(result.read_text()), "peak_bytes": peak, "busy": busy}


def describe(name, result):
    tokens, seconds = sum(result["tokens"][1:]), sum(result["seconds"][1:])
    return (f"{name:<12} {tokens / seconds:>9.1f} tokens/s {result['peak_bytes'] / 1e9:>7.2f} GB "
            f"{result['busy']:>8.1f} s of processors  losses {' '.join(f'{loss:.4f}' for loss in result['losses'])}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, default=ROOT / "build/release/expo")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--contestants", default="expo-bf16,expo-f32,trl-bf16,trl-bf16-pre")
    options = parser.parse_args()
    names = options.contestants.split(",")
    if unknown := set(names) - set(CONTESTANTS):
        parser.error(f"not a contestant: {', '.join(sorted(unknown))}")
    print(f"Instruction set: {instruction_set()}.", flush=True)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        scratch, pairs = Path(folder), Path(folder) / "pairs.jsonl"
        subprocess.run([sys.executable, ROOT / "examples/preference_pairs.py", pairs, "--pairs", "48"], check=True)
        subprocess.run([ROOT / "build/release/expo", "convert", MODEL, scratch / "model", "--out-dtype", "f32"], check=True,
                       stdout=subprocess.DEVNULL)
        for name in names:
            which, precision, *rest = name.split("-")
            arguments = (scratch / "model", pairs, scratch, options, precision == "bf16")
            results[name] = expo(options.binary, *arguments) if which == "expo" else trl(*arguments, bool(rest))
            print(describe(name, results[name]), flush=True)
    if {"expo-bf16", "expo-f32"} <= results.keys():
        apart = max(abs(a - b) for a, b in zip(results["expo-bf16"]["losses"], results["expo-f32"]["losses"], strict=True))
        print(f"largest distance of the losses in bfloat16 from those in float32: {apart:.5f}")


if __name__ == "__main__":
    main()
