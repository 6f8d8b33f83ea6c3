#!/usr/bin/env python3
"""effective_alpha.py EXPO FIGURE.svg: measures what rounding to bfloat16 makes of α on two synthetic pairs, with `expo
extrapolate --json`, draws the figure, and prints the table of docs/rounding.md.

It needs numpy. Each pair has 16,777,216 weights and a fixed seed, and lies in a temporary folder that takes 300 MB."""

import json
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

SEED = 1
SHAPE = (4096, 4096)
ASKED = [0, 0.5, 1, 2, 3, 4, 5, 6, 7, 8]
TABLE = [0, 1, 4, 8]
CASES = {"ties": "θ_sft from 4-bit blocks, kept in float32", "undone": "θ_sft in bfloat16, θ in float32"}
SHORT = {"ties": "4-bit blocks", "undone": "bfloat16 θ_sft"}
WAYS = {"nearest": "to nearest", "stochastic": "stochastically"}
COLOURS = {"ties": "#c2410c", "undone": "#1d4ed8"}
# The figure has its own background, so that these colours have enough contrast on light and dark pages.
BACKGROUND, INK, GRID, WANTED = "#ffffff", "#1e293b", "#e2e8f0", "#64748b"
TITLE = "Effective α after rounding to bfloat16"


def weights(rng):
    return rng.standard_normal(SHAPE, np.float32) * np.float32(0.05)


def through_four_bits(values):
    """As Q4_1 stores them: of 32 values each, the smallest and a sixteenth of their range in float16, and 4 bits."""
    blocks = values.reshape(-1, 32)
    low = blocks.min(1, keepdims=True)
    scale = (blocks.max(1, keepdims=True) - low) / 15
    code = np.clip(np.round((blocks - low) / scale), 0, 15).astype(np.float32)
    stored = [part.astype(np.float16).astype(np.float32) for part in (scale, low)]
    return (stored[0] * code + stored[1]).reshape(values.shape)


def to_bfloat16(values):
    bits = values.view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16 << 16).astype(np.uint32).view(np.float32)


def trained(sft, rng, size):
    """A step of training: `size` is ‖Δ‖/‖θ_sft‖."""
    length = size * np.linalg.norm(sft) / np.sqrt(sft.size)
    return sft + rng.standard_normal(sft.shape, np.float32) * np.float32(length)


def write(folder, values):
    folder.mkdir()
    header = json.dumps({"model.layers.0.mlp.up_proj.weight": {
        "dtype": "F32", "shape": values.shape, "data_offsets": [0, values.nbytes]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + values.tobytes())
    (folder / "config.json").write_text('{"model_type": "llama"}')
    return folder


def measure(expo, sft, aligned, out):
    found = {}
    for way in WAYS:
        for alpha in ASKED:
            done = subprocess.run([expo, "extrapolate", sft, aligned, "-o", out, "--alpha", str(alpha), "--out-dtype", "bf16",
                                   "--rounding", way, "--overwrite", "--json"], check=True, capture_output=True, text=True)
            found[way, alpha] = json.loads(done.stdout)["delta"]["effective_alpha"]
    return found


def measure_all(expo):
    rng = np.random.default_rng(SEED)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            sft = through_four_bits(weights(rng)) if case == "ties" else to_bfloat16(weights(rng))
            aligned = trained(sft, rng, 1.7e-5 if case == "ties" else 6.5e-5)
            place = Path(folder) / case
            place.mkdir()
            results[case] = measure(expo, write(place / "sft", sft), write(place / "aligned", aligned), place / "out")
    return results


LEFT, TOP, WIDTH, HEIGHT, LOW, HIGH = 56, 40, 480, 330, -2.0, 12.0
DASHES = {"nearest": "", "stochastic": ' stroke-dasharray="7 5"'}
LEGEND_LINES = 5


def x(alpha):
    return LEFT + WIDTH * alpha / 8


def y(alpha):
    return TOP + HEIGHT * (HIGH - alpha) / (HIGH - LOW)


def text(at_x, at_y, words, anchor="start", more=""):
    return f'<text x="{at_x:.1f}" y="{at_y:.1f}" text-anchor="{anchor}" fill="{INK}"{more}>{words}</text>'


def line(x1, y1, x2, y2, stroke, more=""):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}"{more}/>'


def axes():
    lines = [text(LEFT + WIDTH / 2, 24, TITLE, "middle", ' font-size="15" font-weight="bold"')]
    for alpha in range(-2, 13, 2):
        lines.append(line(LEFT, y(alpha), LEFT + WIDTH, y(alpha), INK if alpha == 0 else GRID))
        lines.append(text(LEFT - 8, y(alpha) + 4, str(alpha).replace("-", "−"), "end"))
    lines += [text(x(alpha), TOP + HEIGHT + 18, alpha, "middle") for alpha in range(0, 9, 2)]
    lines.append(text(LEFT + WIDTH / 2, TOP + HEIGHT + 38, "α asked for", "middle"))
    lines.append(text(0, 0, "effective α", "middle", f' transform="translate(18 {TOP + HEIGHT / 2}) rotate(-90)"'))
    lines.append(line(x(0), y(0), x(8), y(8), WANTED, ' stroke-width="4" stroke-opacity="0.5"'))
    return lines


def curve(case, way, found):
    points = " ".join(f"{x(alpha):.1f},{y(found[way, alpha]):.1f}" for alpha in ASKED)
    return f'<polyline points="{points}" fill="none" stroke="{COLOURS[case]}" stroke-width="2"{DASHES[way]}/>'


def legend():
    entries = [(f"{CASES[case]}, rounded {WAYS[way]}", COLOURS[case], ' stroke-width="2"' + DASHES[way])
               for case in CASES for way in WAYS]
    entries.append(("effective α = α asked for", WANTED, ' stroke-width="4" stroke-opacity="0.5"'))
    lines = []
    for i, (words, colour, style) in enumerate(entries):
        at = TOP + HEIGHT + 66 + 20 * i
        lines.append(line(LEFT, at - 4, LEFT + 36, at - 4, colour, style))
        lines.append(text(LEFT + 46, at, words))
    return lines


def figure(results):
    height = TOP + HEIGHT + 66 + 20 * LEGEND_LINES
    shapes = axes() + [curve(case, way, found) for case, found in results.items() for way in WAYS] + legend()
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 24} {height}" role="img" '
            f'font-family="sans-serif" font-size="13">\n<title>{TITLE}</title>\n'
            f'<rect width="100%" height="100%" fill="{BACKGROUND}"/>\n' + "\n".join(shapes) + "\n</svg>\n")


def table(results):
    lines = ["| α asked | " + " | ".join(f"{SHORT[case]}, {way}" for case in CASES for way in WAYS) + " |",
             "|---:|" + "---:|" * 4]
    for alpha in TABLE:
        cells = [f"{results[case][way, alpha]:.2f}" for case in CASES for way in WAYS]
        lines.append(f"| {alpha} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    results = measure_all(sys.argv[1])
    Path(sys.argv[2]).write_text(figure(results))
    print(table(results))


if __name__ == "__main__":
    main()
