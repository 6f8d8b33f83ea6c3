"""Files that were made to harm: what the program prints of them."""

import json

import numpy as np
import pytest
from checkpoints import checkpoint, expo

# A terminal's escape, the same as one character of Latin-1, and lines of somebody else.
HOSTILE = "model.layers.0.\x1b[2J\u009b31m\r.evil\nVerdict: fine"
SHOWN = "\\x1b[2J\\xc2\\x9b31m\\x0d.evil\\x0aVerdict: fine"


def controls(text):
    return {c for c in text if (ord(c) < 32 and c != "\n") or 0x7F <= ord(c) < 0xA0}


def hostile_pair(folder):
    rng = np.random.default_rng(3)
    values = rng.standard_normal((8, 8)).astype(np.float32)
    sft = {HOSTILE: values, HOSTILE + ".only": values[0], HOSTILE + ".wide": values}
    aligned = {HOSTILE: values + np.float32(0.001), HOSTILE + ".wide": np.float32(np.inf) * np.ones((9, 8), np.float32)}
    return checkpoint(folder / "sft", sft), checkpoint(folder / "aligned", aligned)


@pytest.mark.parametrize("arguments", [
    ["inspect", "{sft}", "--tensors"],
    ["inspect", "{aligned}", "--check"],
    ["inspect", "{sft}", "{aligned}", "--tensors"],
    ["extrapolate", "{sft}", "{aligned}", "--alpha", "0.5", "--on-mismatch", "common-rows", "-o", "{out}"],
    ["extrapolate", "{sft}", "{aligned}", "--alpha", "0.5", "--on-mismatch", "common-rows", "-o", "{out}",
     "--dry-run"],
], ids=["inspect", "check", "pair", "extrapolate", "dry run"])
def test_names_cannot_steer_the_terminal(tmp_path, arguments):
    sft, aligned = hostile_pair(tmp_path)
    done = expo(*(word.format(sft=sft, aligned=aligned, out=tmp_path / "out") for word in arguments))
    assert not controls(done.stdout + done.stderr)
    assert "evil" in done.stdout
    assert "\nVerdict: fine" not in done.stdout + done.stderr


def test_a_whole_name_is_shown_escaped(tmp_path):
    sft, _ = hostile_pair(tmp_path)
    assert SHOWN in expo("inspect", sft, "--tensors").stdout
    assert HOSTILE in [t["name"] for t in json.loads(expo("inspect", sft, "--json").stdout)["tensors"]]
