"""GGUF output for two GGUF inputs that differ: values, report and refusals, against the Python package gguf."""

import json

import numpy as np
import pytest

from checkpoints import expo

gguf = pytest.importorskip("gguf")
KINDS = gguf.GGMLQuantizationType
ALPHA = 0.5
SHAPES = {"token_embd.weight": (64, 96), "blk.0.attn_norm.weight": (96,), "blk.0.ffn_down.weight": (96, 128),
          "output_norm.weight": (96,), "output.weight": (64, 96)}


def write(path, tensors, kind):
    writer = gguf.GGUFWriter(path, "llama")
    for key, value in (("context_length", 64), ("embedding_length", 96), ("block_count", 1),
                       ("feed_forward_length", 128), ("attention.head_count", 4)):
        writer.add_uint32(f"llama.{key}", value)
    for name, values in tensors.items():
        own = kind if values.ndim > 1 else KINDS.F32
        writer.add_tensor(name, gguf.quants.quantize(values, own), raw_dtype=own)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def read(path):
    return {t.name: (np.asarray(gguf.dequantize(t.data, t.tensor_type), np.float64).reshape(SHAPES[t.name]), t.tensor_type)
            for t in gguf.GGUFReader(path).tensors}


@pytest.fixture
def models(tmp_path):
    """A function that writes a pair of the kind, its relative step 1e-3."""
    def make(kind):
        draw = np.random.default_rng(11)
        sft = {name: draw.normal(0, 0.02, shape).astype(np.float32) for name, shape in SHAPES.items()}
        aligned = {name: (values * (1 + draw.normal(0, 1e-3, values.shape))).astype(np.float32)
                   for name, values in sft.items()}
        return write(tmp_path / "sft.gguf", sft, kind), write(tmp_path / "aligned.gguf", aligned, kind)
    return make


def run(sft, aligned, out, *options):
    return json.loads(expo("extrapolate", sft, aligned, "-o", out, "--alpha", ALPHA, "--json", *options).stdout)


@pytest.mark.parametrize(("kind", "options", "numpy_type"), [
    ("F32", (), np.float32), ("F16", (), np.float16), ("F32", ("--out-dtype", "f16"), np.float16),
    ("Q4_0", (), np.float16), ("Q8_0", ("--out-dtype", "f32"), np.float32)])
def test_values_are_float64_rounded_once(models, tmp_path, kind, options, numpy_type):
    sft, aligned = models(KINDS[kind])
    run(sft, aligned, tmp_path / "out.gguf", "--rounding", "nearest", *options)
    before, after, found = read(sft), read(aligned), read(tmp_path / "out.gguf")
    for name, (theta, _) in after.items():
        exact = theta + ALPHA * (theta - before[name][0])
        own = numpy_type if theta.ndim > 1 else np.float32
        assert np.array_equal(found[name][0], exact.astype(own).astype(np.float64)), name
        assert found[name][1] == (KINDS.F16 if own is np.float16 else KINDS.F32), name


@pytest.mark.parametrize(("kind", "options"), [("Q8_0", ()), ("F16", ("--out-dtype", "q8_0")), ("F32", ("--out-dtype", "Q8_0"))])
def test_q8_0_reports_what_its_blocks_hold(models, tmp_path, kind, options):
    sft, aligned = models(KINDS[kind])
    report = run(sft, aligned, tmp_path / "out.gguf", *options)
    before, after, found = read(sft), read(aligned), read(tmp_path / "out.gguf")
    applied = square = lost = changed = 0
    for name, (theta, _) in after.items():
        delta = theta - before[name][0]
        exact = (theta + ALPHA * delta).astype(np.float32)
        still = theta
        if theta.ndim > 1:
            blocks = gguf.quants.quantize(exact, KINDS.Q8_0)
            assert np.array_equal(found[name][0], gguf.dequantize(blocks, KINDS.Q8_0).astype(np.float64)), name
            still = gguf.dequantize(gguf.quants.quantize(theta.astype(np.float32), KINDS.Q8_0), KINDS.Q8_0)
        moved = delta != 0
        applied += np.sum((found[name][0] - theta) * delta)
        square += np.sum(delta ** 2)
        lost += np.sum(moved & (found[name][0] == still))
        changed += np.sum(moved)
    assert report["delta"]["effective_alpha"] == pytest.approx(applied / square, rel=1e-9)
    assert report["delta"]["lost"] == pytest.approx(lost / changed, rel=1e-12)
    assert report["delta"]["lost"] > 0.2
    warned = any("updates are lost" in warning and "Q8_0 blocks" in warning for warning in report["warnings"])
    assert warned == (abs(applied / square - ALPHA) > max(0.05 * ALPHA, 0.02))
    assert report["rounding"] == {"choice": "auto", "used": "nearest", "seed": 0, "nearest_effective_alpha": None}


@pytest.mark.parametrize(("options", "words"), [
    (("--like-original",), "float32"), (("--out-dtype", "q8_0", "--rounding", "stochastic"), "Q8_0 blocks")])
def test_what_gguf_cannot_hold_is_refused_before_work(models, tmp_path, options, words):
    sft, aligned = models(KINDS.F32)
    for more in ((), ("--dry-run",)):
        done = expo("extrapolate", sft, aligned, "-o", tmp_path / "out.gguf", "--alpha", ALPHA, *options, *more, check=False)
        assert (done.returncode, words in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "out.gguf").exists()


def test_overwrite_replaces_a_gguf_and_nothing_else(models, tmp_path):
    sft, aligned = models(KINDS.F32)
    out = tmp_path / "out.GGUF"
    run(sft, aligned, out)
    first = out.read_bytes()
    done = expo("extrapolate", sft, aligned, "-o", out, "--alpha", 2, check=False)
    assert done.returncode == 2 and "--overwrite" in done.stderr
    assert out.read_bytes() == first
    expo("extrapolate", sft, aligned, "-o", out, "--alpha", 2, "--overwrite")
    assert out.is_file() and out.read_bytes() != first
    note = tmp_path / "note.gguf"
    note.write_text("a note of mine")
    done = expo("extrapolate", sft, aligned, "-o", note, "--alpha", 2, "--overwrite", check=False)
    assert done.returncode == 2 and "not a GGUF file" in done.stderr
    assert note.read_text() == "a note of mine"


def test_a_gguf_is_not_put_beside_an_input_that_is_read_by_its_folder(models, tmp_path):
    sft, aligned = models(KINDS.F32)
    folder = tmp_path / "folder"
    folder.mkdir()
    aligned.rename(folder / "aligned.gguf")
    done = expo("extrapolate", sft, folder, "-o", folder / "out.gguf", "--alpha", 1, check=False)
    assert done.returncode == 2 and "two models" in done.stderr, done.stderr


def test_convert_makes_no_folder_that_is_named_as_a_file(models, tmp_path):
    sft, _ = models(KINDS.F32)
    done = expo("convert", sft, tmp_path / "out.gguf", check=False)
    assert done.returncode == 2 and "safetensors folder" in done.stderr
    assert not (tmp_path / "out.gguf").exists()
