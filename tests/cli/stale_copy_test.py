"""A shard that holds a stale copy of a tensor which the index assigns to another shard: the index decides."""

import json

import ml_dtypes
import numpy as np
import pytest
import torch
from checkpoints import CONFIG, assert_same_bits, checkpoint, expo, load, reference, save

BF16 = ml_dtypes.bfloat16
NAMES = ["a.weight", "b.weight", "x.weight"]


def values(rng):
    return {name: rng.standard_normal((4, 8)).astype(BF16) for name in NAMES}


def save_torch(path, tensors):
    torch.save({name: torch.from_numpy(v.astype(np.float32)).to(torch.bfloat16) for name, v in tensors.items()}, path)


def with_stale_copy(folder, tensors, stale, stale_first, suffix, total):
    """Two shards; "x.weight" is in both, and the index assigns it to the one that is not stale."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    stem = "model" if suffix == "safetensors" else "pytorch_model"
    first, second = (f"{stem}-{i:05}-of-00002.{suffix}" for i in (1, 2))
    old, new = (first, second) if stale_first else (second, first)
    write = save if suffix == "safetensors" else save_torch
    write(folder / old, {"a.weight": tensors["a.weight"], "x.weight": stale})
    write(folder / new, {"b.weight": tensors["b.weight"], "x.weight": tensors["x.weight"]})
    index = {"metadata": {"total_size": total}, "weight_map": {"a.weight": old, "b.weight": new, "x.weight": new}}
    (folder / f"{stem}.{suffix}.index.json").write_text(json.dumps(index))
    return old, new


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
@pytest.mark.parametrize("stale_first", [True, False], ids=["stale copy first", "stale copy last"])
@pytest.mark.parametrize("counted", [3, 4], ids=["total without", "total with it"])
def test_the_index_decides(tmp_path, suffix, stale_first, counted):
    rng = np.random.default_rng(11)
    sft, aligned, stale = values(rng), values(rng), values(rng)["x.weight"]
    a = checkpoint(tmp_path / "a", sft)
    b = tmp_path / "b"
    old, new = with_stale_copy(b, aligned, stale, stale_first, suffix, counted * 64)
    done = expo("extrapolate", a, b, "-o", tmp_path / "out", "--alpha", 0.5)
    assert f'"x.weight" is also in {old}' in done.stderr and f"the one in {new} was used" in done.stderr
    out = load(tmp_path / "out")
    for name in NAMES:
        assert_same_bits(out[name], reference(sft[name], aligned[name], 0.5), name)
    assert not np.array_equal(reference(sft["x.weight"], stale, 0.5), out["x.weight"])
    # What was written has no copy left.
    shards = json.loads(expo("inspect", tmp_path / "out", "--json").stdout)
    assert sorted(tensor["name"] for tensor in shards["tensors"]) == NAMES


@pytest.mark.parametrize("stale_first", [True, False])
def test_inspect_names_the_copy(tmp_path, stale_first):
    rng = np.random.default_rng(12)
    old, new = with_stale_copy(tmp_path / "m", values(rng), values(rng)["x.weight"], stale_first, "safetensors", 192)
    warning, = json.loads(expo("inspect", tmp_path / "m", "--json").stdout)["warnings"]
    assert all(word in warning for word in ("x.weight", old, new))


def test_digests_are_those_of_the_whole_files(tmp_path):
    """Bytes of a stale copy are read for no tensor, and belong to the file all the same."""
    xxhash = pytest.importorskip("xxhash")
    rng = np.random.default_rng(13)
    a = checkpoint(tmp_path / "a", values(rng))
    with_stale_copy(tmp_path / "b", values(rng), values(rng)["x.weight"], True, "safetensors", 192)
    expo("extrapolate", a, tmp_path / "b", "-o", tmp_path / "out", "--alpha", 0.5)
    files = json.loads((tmp_path / "out" / "run.json").read_text())["inputs"]["aligned"]
    for file in files:
        expected = xxhash.xxh3_128_hexdigest((tmp_path / "b" / file["file"]).read_bytes())
        assert file["digest"] == f"xxh3-128:{expected}"


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_transformers_agrees_where_the_stale_copy_comes_first(tmp_path, suffix):
    """transformers takes the copy that it reads last, which is the index's in this order."""
    transformers = pytest.importorskip("transformers")
    config = transformers.LlamaConfig(hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
                                      vocab_size=32, max_position_embeddings=32)
    torch.manual_seed(5)
    network = transformers.LlamaForCausalLM(config)
    tensors = {name: values.numpy().copy() for name, values in network.state_dict().items()}
    name, names = "model.norm.weight", [name for name in tensors if name != "model.norm.weight"]
    folder = tmp_path / "m"
    config.save_pretrained(folder)
    stem = "model" if suffix == "safetensors" else "pytorch_model"
    old, new = (f"{stem}-{i:05}-of-00002.{suffix}" for i in (1, 2))
    tensors[name] = np.full_like(tensors[name], 3)
    parts = {old: {n: tensors[n] for n in names[:4]} | {name: np.full_like(tensors[name], 7)},
             new: {n: tensors[n] for n in names[4:]} | {name: tensors[name]}}
    for file, part in parts.items():
        if suffix == "safetensors":
            save(folder / file, part)
        else:
            torch.save({n: torch.from_numpy(values) for n, values in part.items()}, folder / file)
    weight_map = {n: old for n in names[:4]} | {n: new for n in names[4:]} | {name: new}
    (folder / f"{stem}.{suffix}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    expo("convert", folder, tmp_path / "out")
    for place in (folder, tmp_path / "out"):
        state = transformers.LlamaForCausalLM.from_pretrained(place).state_dict()
        for n, values in tensors.items():
            np.testing.assert_array_equal(state[n].numpy(), values, n)
