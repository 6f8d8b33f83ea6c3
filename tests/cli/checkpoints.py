"""Small checkpoints and an independent reference for the tests of the commands."""

import json
import os
import struct
import subprocess
from fractions import Fraction
from pathlib import Path

import ml_dtypes
import numpy as np

EXPO = os.environ["EXPO_BINARY"]

NAMES = {
    np.dtype(np.float64): "F64",
    np.dtype(np.float32): "F32",
    np.dtype(np.float16): "F16",
    np.dtype(ml_dtypes.bfloat16): "BF16",
    np.dtype(np.int64): "I64",
    np.dtype(np.int32): "I32",
    np.dtype(np.uint8): "U8",
    np.dtype(np.bool_): "BOOL",
    np.dtype(ml_dtypes.float8_e4m3fn): "F8_E4M3",
}
TYPES = {name: dtype for dtype, name in NAMES.items()}

CONFIG = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16"}


def expo(*arguments, check=True, **options):
    """Runs the program; returns the finished process with text output."""
    done = subprocess.run([EXPO, *map(str, arguments)], capture_output=True, text=True, **options)
    if check:
        assert done.returncode == 0, done.stderr
    return done


def save(path, tensors):
    """Writes a safetensors file by the format's own words, independently of any library."""
    header, data = {}, b""
    for name, values in tensors.items():
        raw = np.ascontiguousarray(values).tobytes()
        header[name] = {"dtype": NAMES[values.dtype], "shape": list(values.shape),
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + data)


def load(folder):
    """All tensors of a written checkpoint, in the order of its files and offsets."""
    folder, tensors = Path(folder), {}
    for path in sorted(folder.glob("*.safetensors")):
        raw = path.read_bytes()
        size = struct.unpack("<Q", raw[:8])[0]
        header = json.loads(raw[8:8 + size])
        header.pop("__metadata__", None)
        for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
            begin, end = entry["data_offsets"]
            tensors[name] = np.frombuffer(raw[8 + size + begin:8 + size + end],
                                          TYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors


def checkpoint(folder, tensors, config=CONFIG, shards=1, **files):
    """A folder as transformers writes it."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    names = list(tensors)
    if shards == 1:
        save(folder / "model.safetensors", tensors)
    else:
        weight_map = {}
        for i in range(shards):
            part = names[i * len(names) // shards:(i + 1) * len(names) // shards]
            file = f"model-{i + 1:05}-of-{shards:05}.safetensors"
            save(folder / file, {name: tensors[name] for name in part})
            weight_map |= {name: file for name in part}
        total = sum(values.nbytes for values in tensors.values())
        (folder / "model.safetensors.index.json").write_text(
            json.dumps({"metadata": {"total_size": total}, "weight_map": weight_map}))
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def pair(folder, rng, dtype=ml_dtypes.bfloat16, delta=1e-3, layers=2, shards=1, width=32):
    """SFT and ALIGNED of a Llama's names."""
    def values(*shape):
        return (rng.standard_normal(shape) * 0.02).astype(dtype)

    sft = {"model.embed_tokens.weight": values(64, width)}
    for layer in range(layers):
        sft[f"model.layers.{layer}.self_attn.q_proj.weight"] = values(width, width)
        sft[f"model.layers.{layer}.mlp.down_proj.weight"] = values(width, 2 * width)
        sft[f"model.layers.{layer}.input_layernorm.weight"] = values(width)
    sft["model.norm.weight"] = values(width)
    sft["lm_head.weight"] = values(64, width)
    aligned = {name: (v.astype(np.float64) + rng.standard_normal(v.shape) * 0.02 * delta).astype(dtype)
               for name, v in sft.items()}
    return (checkpoint(folder / "sft", sft, shards=shards), checkpoint(folder / "aligned", aligned, shards=shards),
            sft, aligned)


def round_once(exact, dtype):
    """Float64 to dtype, to nearest, ties to even, without an intermediate type: by exact rational arithmetic on the
    two neighbours that a coarser conversion brackets."""
    exact = np.asarray(exact, np.float64)
    dtype = np.dtype(dtype)
    if dtype == np.float64:
        return exact
    if dtype == np.float32:
        return exact.astype(np.float32)  # a single IEEE conversion
    guess = exact.astype(dtype)  # may have been rounded twice: check its neighbours
    width = np.uint16
    bits = guess.view(width).astype(np.int64)
    best = guess.copy()
    flat_best, flat_bits, flat_exact = best.reshape(-1), bits.reshape(-1), exact.reshape(-1)
    for step in (-1, 1):
        neighbour = (flat_bits + step).clip(0, 0xFFFF).astype(width).view(dtype)
        with np.errstate(invalid="ignore", over="ignore"):
            here = np.abs(flat_best.astype(np.float64) - flat_exact)
            there = np.abs(neighbour.astype(np.float64) - flat_exact)
        for i in np.nonzero(np.isfinite(there) & np.isfinite(here) & (there <= here * (1 + 1e-9)))[0]:
            a = abs(Fraction(float(flat_best[i])) - Fraction(float(flat_exact[i])))
            b = abs(Fraction(float(neighbour[i])) - Fraction(float(flat_exact[i])))
            even = int(neighbour[i:i + 1].view(width)[0]) % 2 == 0
            if b < a or (b == a and even and float(neighbour[i]) != float(flat_best[i])):
                flat_best[i] = neighbour[i]
    return best


def reference(sft, aligned, alpha, dtype=None):
    """theta + alpha (theta - theta_sft) in float64, rounded once."""
    theta = aligned.astype(np.float64)
    delta = theta - sft.astype(np.float64)
    out = round_once(theta + alpha * delta, dtype or aligned.dtype)
    return np.where(delta == 0, round_once(theta, dtype or aligned.dtype), out)


def assert_same_bits(got, expected, where=""):
    assert got.dtype == expected.dtype and got.shape == expected.shape, where
    kind = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}[got.dtype.itemsize]
    differ = np.ascontiguousarray(got).view(kind) != np.ascontiguousarray(expected).view(kind)
    assert not differ.any(), f"{where}: {differ.sum()} of {differ.size} differ"
