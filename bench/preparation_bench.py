#!/usr/bin/env python3
"""Conversations on their way to tokens and masks side by side: expo, and TRL with as many processes as expo has threads.

    bench/preparation_bench.py [--rows N] [--threads N] [--rounds N]

Rows have three questions and three answers of words of the model's own vocabulary, 10 to 40 and 20 to 120 of them, drawn
by Zipf's law. The tokenizer is that of the model in models/. `marked` uses a template with {% generation %}, in which both
read the mask from the template; `plain` uses the same template without it, where expo finds the turns and TRL refuses.
Contestants take turns; the figures are medians. Run it with .bench-venv/bin/python.
"""

import argparse
import itertools
import json
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT / "models/SmolLM2-135M-Instruct.Q4_1.gguf"
PLAIN = ("{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
         "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")
MARKED = ("{% for message in messages %}<|im_start|>{{ message.role }}\n{% if message.role == 'assistant' %}{% generation %}"
          "{{ message.content }}<|im_end|>\n{% endgeneration %}{% else %}{{ message.content }}<|im_end|>\n{% endif %}"
          "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")


def words_of(folder):
    vocabulary = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    words = [token[1:] for token in vocabulary if token.startswith("Ġ") and token[1:].isascii() and token[1:].isalpha()]
    return [word for word in words if len(word) > 1]


def write_rows(path, words, count, seed=20240425):
    draw = random.Random(seed)
    weights = list(itertools.accumulate(1 / (rank + 3) for rank in range(len(words))))

    def text(low, high):
        return " ".join(draw.choices(words, cum_weights=weights, k=draw.randint(low, high))).capitalize() + "."
    with path.open("w", encoding="utf-8") as file:
        for _ in range(count):
            turns = []
            for _ in range(3):
                turns += [{"role": "user", "content": text(10, 40)}, {"role": "assistant", "content": text(20, 120)}]
            file.write(json.dumps({"messages": turns}) + "\n")
    return path


def expo(binary, model, rows, threads):
    done = subprocess.run([binary, model, rows, str(threads)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def trl(model, rows, threads, scratch):
    result = scratch / "trl.json"
    done = subprocess.run([sys.executable, "-B", ROOT / "bench/trl_preparation.py", model, rows, result, "--processes",
                           str(threads)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"TRL failed:\n{done.stderr[-3000:]}")
    return json.loads(result.read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    build = ROOT / "build/release"
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        model = scratch / "model"
        subprocess.run([build / "expo", "convert", MODEL, model, "--out-dtype", "bf16"], check=True, capture_output=True)
        rows = write_rows(scratch / "rows.jsonl", words_of(model), options.rows)
        found = {"expo marked": [], "expo plain": [], "trl marked": []}
        for _ in range(options.rounds):
            for name in found:
                (model / "chat_template.jinja").write_text(MARKED if name.endswith("marked") else PLAIN, encoding="utf-8")
                work = expo(build / "bench/preparation_speed", model, rows, options.threads) if name.startswith("expo") else \
                    trl(model, rows, options.threads, scratch)
                found[name].append(work)
                print(name, json.dumps(work), file=sys.stderr, flush=True)
    theirs = statistics.median(one["seconds"] for one in found["trl marked"])
    for name, results in found.items():
        seconds = statistics.median(one["seconds"] for one in results)
        print(f"{name:<12} {options.rows / seconds:>9.0f} rows/s {results[0]['tokens'] / seconds / 1e6:>7.2f} M tokens/s "
              f"{theirs / seconds:>6.1f} x TRL   {results[0]['counted']} of {results[0]['tokens']} tokens count")


if __name__ == "__main__":
    main()
