"""Packed integers whose config.json lost its quantization_config must not pass silently for weights."""

import json

import ml_dtypes
import numpy as np
import pytest
from checkpoints import assert_same_bits, checkpoint, expo, load, reference, save
from small_models import needs_engine
from small_models import pair as small_pair

BF16 = ml_dtypes.bfloat16
SEED = 20260


def mxfp4(rng, layers=4):
    """The tensors of an MXFP4 model: blocks and scales of bytes beside norms in bfloat16."""
    tensors = {}
    for layer in range(layers):
        name = f"model.layers.{layer}.mlp.experts.gate_up_proj"
        tensors[f"{name}_blocks"] = rng.integers(0, 256, (2, 4, 16), np.uint8)
        tensors[f"{name}_scales"] = rng.integers(100, 130, (2, 4), np.uint8)
        tensors[f"model.layers.{layer}.input_layernorm.weight"] = rng.standard_normal(8).astype(BF16)
    return tensors


def refusal(a, b, *options):
    done = expo("extrapolate", a, b, "--alpha", 0.5, "-o", a.parent / "out", *options, check=False)
    assert done.returncode == 3, (done.returncode, done.stderr)
    assert not (a.parent / "out").exists()
    return done.stderr


def test_packed_integers_that_differ_are_refused(tmp_path):
    rng = np.random.default_rng(SEED)
    a, b = checkpoint(tmp_path / "a", mxfp4(rng)), checkpoint(tmp_path / "b", mxfp4(rng))
    message = refusal(a, b)
    assert '"model.layers.0.mlp.experts.gate_up_proj_blocks"' in message
    assert "and 5 more (8 integer or boolean tensors)" in message and "in 8 tensors" in message
    assert "suggest a quantised checkpoint" in message and "before quantisation" in message
    assert "--on-mismatch" in message and "aligned" in message
    assert len(message.splitlines()) < 5


def test_on_mismatch_aligned_lists_them(tmp_path):
    rng = np.random.default_rng(SEED + 1)
    sft, aligned = mxfp4(rng), mxfp4(rng)
    a, b = checkpoint(tmp_path / "a", sft), checkpoint(tmp_path / "b", aligned)
    done = expo("extrapolate", a, b, "--alpha", 0.5, "-o", tmp_path / "out", "--on-mismatch", "aligned", "--json")
    mismatches = {entry["tensor"]: entry for entry in json.loads(done.stdout)["mismatches"]}
    packed = {name for name in sft if name.endswith(("_blocks", "_scales"))}
    assert mismatches.keys() == packed
    assert all("U8" in entry["problem"] and "ALIGNED" in entry["treatment"] for entry in mismatches.values())
    assert "suggest a quantised checkpoint" in done.stderr
    out = load(tmp_path / "out")
    for name in sft:
        expected = aligned[name] if name in packed else reference(sft[name], aligned[name], 0.5)
        assert_same_bits(out[name], expected, name)


def test_one_byte_anywhere_counts(tmp_path):
    """Also beyond the first piece that is compared, and in an odd number of bytes."""
    rng = np.random.default_rng(SEED + 2)
    table = rng.integers(0, 256, (1 << 21) + 3, np.uint8)
    weights = {"w.weight": np.ones(4, BF16)}
    a = checkpoint(tmp_path / "a", weights | {"t": table})
    for place in (0, 1 << 20, len(table) - 1):
        other = table.copy()
        other[place] ^= 1
        message = refusal(a, checkpoint(tmp_path / "b", weights | {"t": other}))
        assert '"t" (1 integer or boolean tensor)' in message and "quantised" not in message
    expo("extrapolate", a, checkpoint(tmp_path / "c", weights | {"t": table}), "--alpha", 1, "-o", tmp_path / "out")
    assert_same_bits(load(tmp_path / "out")["t"], table)


@pytest.mark.parametrize("sft,aligned,words", [
    (np.arange(4, dtype=np.int32), np.arange(4, dtype=np.int64), "I32 in SFT and I64 in ALIGNED"),
    (np.arange(4), np.arange(5), "shape is [4] in SFT and [5] in ALIGNED"),
    (np.zeros(3, bool), np.ones(3, bool), "BOOL values differ")], ids=["type", "shape", "boolean"])
def test_other_differences_of_integers(tmp_path, sft, aligned, words):
    a = checkpoint(tmp_path / "a", {"w": np.ones(4, BF16), "t": sft})
    b = checkpoint(tmp_path / "b", {"w": np.ones(4, BF16), "t": aligned})
    refusal(a, b)
    done = expo("extrapolate", a, b, "--alpha", 1, "-o", tmp_path / "out", "--on-mismatch", "common-rows", "--json")
    mismatch, = json.loads(done.stdout)["mismatches"]
    assert words in mismatch["problem"] and mismatch["treatment"] == "ALIGNED's values"
    assert_same_bits(load(tmp_path / "out")["t"], aligned)


def test_gptq_is_refused_by_its_names(tmp_path):
    rng = np.random.default_rng(SEED + 3)
    def packed():
        return {"model.norm.weight": np.ones(4, BF16),
                "model.layers.0.mlp.down_proj.qweight": rng.integers(0, 1 << 30, (4, 8), np.int32),
                "model.layers.0.mlp.down_proj.qzeros": rng.integers(0, 1 << 30, (1, 8), np.int32)}
    message = refusal(checkpoint(tmp_path / "a", packed()), checkpoint(tmp_path / "b", packed()))
    assert "qweight" in message and "quantised" in message


def test_nothing_but_packed_integers(tmp_path):
    rng = np.random.default_rng(SEED + 4)
    def packed():
        return {name: values for name, values in mxfp4(rng).items() if values.dtype == np.uint8}
    a, b = checkpoint(tmp_path / "a", packed()), checkpoint(tmp_path / "b", packed())
    for policy in ("refuse", "aligned"):
        assert "suggest a quantised checkpoint" in refusal(a, b, "--on-mismatch", policy)


def test_inspect_lists_and_warns(tmp_path):
    rng = np.random.default_rng(SEED + 5)
    a, b = checkpoint(tmp_path / "a", mxfp4(rng)), checkpoint(tmp_path / "b", mxfp4(rng))
    done = expo("inspect", a, b, "--json")
    result = json.loads(done.stdout)
    assert len(result["mismatches"]) == 8
    assert sum("suggest a quantised checkpoint" in warning for warning in result["warnings"]) == 1
    same = json.loads(expo("inspect", a, a, "--json").stdout)
    assert same["mismatches"] == [] and not any("quantised" in warning for warning in same["warnings"])


@needs_engine
def test_live_weights_are_held_to_the_same(tmp_path):
    folders = small_pair(tmp_path)
    for seed, folder in enumerate(folders):
        tensors = load(folder)
        tensors["model.layers.0.mlp.experts_blocks"] = np.full(8, seed, np.uint8)
        tensors["model.layers.0.mlp.experts_scales"] = np.full(2, 3, np.uint8)
        save(folder / "model.safetensors", tensors)
    ask = ["generate", folders[1], "--prompt", "w8", "--max-new-tokens", "2", "--sft", folders[0], "--alpha", 0.5]
    done = expo(*ask, check=False)
    assert done.returncode == 3 and '"model.layers.0.mlp.experts_blocks" (1 integer or boolean tensor)' in done.stderr
    assert "suggest a quantised checkpoint" in done.stderr
    # The way out is taken, with a warning; the architecture then has no place for the tensor.
    done = expo(*ask, "--on-mismatch", "aligned", check=False)
    assert "model.layers.0.mlp.experts_blocks: its U8 values differ" in done.stderr and "ALIGNED's values" in done.stderr
    assert "has no place" in done.stderr
