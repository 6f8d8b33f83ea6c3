"""Compares what the library reads from files of the real torch.save with their contents."""

import json
import os
import pickle
import subprocess
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

DUMP = Path(os.environ["EXPO_BUILD_DIR"]) / "tests" / "dump_checkpoint"

DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64, torch.int32,
          torch.int16, torch.int8, torch.uint8, torch.bool]


def run(path, piece=0):
    return subprocess.run([DUMP, "torch", str(piece), path], capture_output=True, text=True)


def dump(path, piece=0):
    done = run(path, piece)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refusal(path):
    done = run(path)
    assert done.returncode == 3, (done.returncode, done.stderr)
    assert str(path) in done.stderr
    return done.stderr


def bytes_of(tensor):
    """The row-major bytes of torch's own copy."""
    flat = tensor.detach().clone(memory_format=torch.contiguous_format).reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""


def assert_same(dumped, tensors):
    found = {tensor["name"]: tensor for tensor in dumped["tensors"]}
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name]["dtype"] == str(tensor.dtype).removeprefix("torch."), name
        assert found[name]["shape"] == list(tensor.shape), name
        assert bytes.fromhex(found[name]["values"]) == bytes_of(tensor), name
        assert (found[name]["extent"] is not None) == tensor.is_contiguous(), name


def some(shape, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 2 if dtype == torch.bool else 100, shape, generator=generator).to(dtype)


def views():
    base = some((6, 8))
    cube = some((3, 4, 5), torch.bfloat16)
    return OrderedDict(
        whole=base, transposed=base.t(), rows=base[2:5], columns=base[:, 3:6], steps=base[::2, 1::3],
        expanded=base[:, :1].expand(6, 8), line=base[3, 2].expand(2, 3), diagonal=base.diagonal(),
        permuted=cube.permute(2, 0, 1), exchanged=cube.transpose(0, 1), last=cube[..., -1],
        single=cube[1, 2, 3], empty=base[6:, 4:], none=torch.empty(0), hollow=torch.empty(2, 0, 3),
        channels=some((2, 3, 4, 5)).to(memory_format=torch.channels_last))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_reads_every_dtype(tmp_path, dtype):
    tensors = {"matrix": some((5, 7), dtype), "scalar": some((), dtype), "view": some((4, 6), dtype).t()}
    torch.save(tensors, tmp_path / "m.bin")
    assert_same(dump(tmp_path / "m.bin"), tensors)


def test_keeps_every_bit_of_special_values(tmp_path):
    bits = torch.arange(65536, dtype=torch.int32).to(torch.uint16)
    tensors = {"half": bits.view(torch.float16), "bfloat16": bits.clone().view(torch.bfloat16).reshape(256, 256).t()}
    torch.save(tensors, tmp_path / "m.bin")
    assert_same(dump(tmp_path / "m.bin"), tensors)


@pytest.mark.parametrize("piece", [0, 1, 7, 11])
def test_reads_views_in_pieces(tmp_path, piece):
    tensors = views()
    torch.save(tensors, tmp_path / "m.bin")
    assert_same(dump(tmp_path / "m.bin", piece), tensors)


@pytest.mark.parametrize("tensor", [torch.zeros(1).expand(2**58), some((4, 1)).expand(4, 2),
                                    torch.arange(9.0).unfold(0, 3, 1)], ids=["one value", "columns", "windows"])
def test_refuses_more_elements_than_are_stored(tmp_path, tensor):
    torch.save({"x": tensor}, tmp_path / "m.bin")
    message = refusal(tmp_path / "m.bin")
    assert '"x"' in message and "tensor.contiguous()" in message
    assert f"to {tensor.numel()}," in message


def test_agrees_with_numpy(tmp_path):
    array = np.random.default_rng(5).normal(size=(40, 30)).astype(np.float32)
    torch.save({"turned": torch.from_numpy(array).t()[3:, ::2]}, tmp_path / "m.bin")
    values = bytes.fromhex(dump(tmp_path / "m.bin", 97)["tensors"][0]["values"])
    np.testing.assert_array_equal(np.frombuffer(values, np.float32).reshape(27, 20), array.T[3:, ::2])


def test_reads_a_models_state_dict(tmp_path):
    model = torch.nn.Sequential(torch.nn.Embedding(11, 6), torch.nn.BatchNorm1d(6), torch.nn.Linear(6, 11))
    model[2].weight = model[0].weight  # tied
    torch.save(model.state_dict(), tmp_path / "m.bin")
    assert_same(dump(tmp_path / "m.bin"), model.state_dict())


def test_reads_parameters(tmp_path):
    tensors = {"a": torch.nn.Parameter(some((3, 4))), "b": torch.nn.Parameter(some((4, 3)).t(), requires_grad=False)}
    torch.save(tensors, tmp_path / "m.bin")
    assert_same(dump(tmp_path / "m.bin"), tensors)


def test_reads_a_training_checkpoint(tmp_path):
    model = torch.nn.Linear(4, 3)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 4)).sum().backward()
    optimizer.step()
    torch.save({"epoch": 3, "loss": 0.25, "model": model.state_dict(), "optimizer": optimizer.state_dict()},
               tmp_path / "m.pt")
    dumped = dump(tmp_path / "m.pt")
    assert_same(dumped, model.state_dict())
    assert '"optimizer"' in dumped["warnings"][0]


def test_many_tensors_cross_pickle_batches(tmp_path):
    """Beyond 256 memo slots and 1,000 items the pickler changes its opcodes."""
    tensors = {f"layers.{i}.weight": some((2, 3), seed=i) for i in range(2500)}
    torch.save(tensors, tmp_path / "m.bin")
    assert_same(dump(tmp_path / "m.bin"), tensors)


def test_transposed_matrix_is_read_in_large_pieces(tmp_path):
    tensors = {"w": torch.arange(1024 * 1024, dtype=torch.float32).reshape(1024, 1024).t()}
    torch.save(tensors, tmp_path / "m.bin")
    dumped = dump(tmp_path / "m.bin", 256 * 1024)
    assert_same(dumped, tensors)
    assert dumped["reads"] <= 8
    assert dumped["bytes_read"] <= 4 * 4 * 1024 * 1024


def save_sharded(folder):
    tensors = {"a": some((4, 4)), "b": some((3, 5)).t(), "c": some((2,), torch.bfloat16)}
    torch.save({"a": tensors["a"], "c": tensors["c"]}, folder / "pytorch_model-00001-of-00002.bin")
    torch.save({"b": tensors["b"]}, folder / "pytorch_model-00002-of-00002.bin")
    index = {"metadata": {"total_size": 16 * 4 + 15 * 4 + 2 * 2},
             "weight_map": {name: f"pytorch_model-0000{2 if name == 'b' else 1}-of-00002.bin"
                            for name in tensors}}
    return tensors, index


def test_reads_shards(tmp_path):
    tensors, index = save_sharded(tmp_path)
    path = tmp_path / "pytorch_model.bin.index.json"
    path.write_text(json.dumps(index))
    assert_same(dump(path), tensors)


def test_refuses_an_index_that_does_not_fit(tmp_path):
    _, index = save_sharded(tmp_path)
    path = tmp_path / "pytorch_model.bin.index.json"
    index["weight_map"]["c"] = "pytorch_model-00002-of-00002.bin"
    path.write_text(json.dumps(index))
    assert '"c"' in refusal(path)


def rezip(source, target, force_zip64=False, compression=zipfile.ZIP_STORED):
    """The same members, written by Python's zipfile."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", compression) as new:
        for info in old.infolist():
            with new.open(zipfile.ZipInfo(info.filename) if compression == zipfile.ZIP_STORED
                          else info.filename, "w", force_zip64=force_zip64) as out:
                out.write(old.read(info))


@pytest.mark.parametrize("force_zip64", [False, True])
def test_reads_archives_written_by_zipfile(tmp_path, force_zip64):
    tensors = views()
    torch.save(tensors, tmp_path / "m.bin")
    rezip(tmp_path / "m.bin", tmp_path / "n.bin", force_zip64)
    assert_same(dump(tmp_path / "n.bin"), tensors)


def test_reads_an_archive_with_zip64_in_its_directory(tmp_path, monkeypatch):
    tensors = {"a": some((4, 4)), "b": some((3, 5)).t()}
    torch.save(tensors, tmp_path / "m.bin")
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 10)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 2)
    rezip(tmp_path / "m.bin", tmp_path / "n.bin", force_zip64=True)
    assert b"PK\x06\x06" in (tmp_path / "n.bin").read_bytes()
    assert_same(dump(tmp_path / "n.bin"), tensors)


def test_refuses_a_compressed_archive(tmp_path):
    torch.save({"a": some((4, 4))}, tmp_path / "m.bin")
    rezip(tmp_path / "m.bin", tmp_path / "n.bin", compression=zipfile.ZIP_DEFLATED)
    assert "compressed" in refusal(tmp_path / "n.bin")


def test_refuses_a_whole_module(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "m.bin")
    message = refusal(tmp_path / "m.bin")
    assert "torch.nn.modules.linear.Linear" in message and "state_dict()" in message


class Malicious:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("wrap", [lambda evil: evil, lambda evil: {"a": torch.ones(2), "b": evil}])
def test_refuses_a_call_and_never_makes_it(tmp_path, wrap):
    witness = tmp_path / "witness"
    torch.save(wrap(Malicious(f"touch {witness}")), tmp_path / "m.bin")
    assert f"{os.system.__module__}.system" in refusal(tmp_path / "m.bin")
    assert not witness.exists()


def test_refuses_files_of_older_versions(tmp_path):
    torch.save({"a": torch.ones(2)}, tmp_path / "m.bin", _use_new_zipfile_serialization=False)
    message = refusal(tmp_path / "m.bin")
    assert "before PyTorch 1.6" in message and "torch.save(torch.load(" in message
    (tmp_path / "n.bin").write_bytes(pickle.dumps({"a": [1, 2]}))
    assert "bare pickle" in refusal(tmp_path / "n.bin")


def test_refuses_torchscript(tmp_path):
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2)), str(tmp_path / "m.bin"))
    assert "TorchScript" in refusal(tmp_path / "m.bin")


def test_refuses_other_protocols_and_types(tmp_path):
    torch.save({"a": torch.ones(2)}, tmp_path / "m.bin", pickle_protocol=4)
    assert "protocol 4" in refusal(tmp_path / "m.bin")
    torch.save({"a": torch.ones(2).to(torch.float8_e4m3fn)}, tmp_path / "m.bin")
    assert "torch._utils._rebuild_tensor_v3" in refusal(tmp_path / "m.bin")
    torch.save({"a": torch.ones(2, dtype=torch.complex64)}, tmp_path / "m.bin")
    assert "torch.ComplexFloatStorage" in refusal(tmp_path / "m.bin")
    torch.save({"a": torch.ones(2, 2).to_sparse()}, tmp_path / "m.bin")
    assert "_rebuild_sparse_tensor" in refusal(tmp_path / "m.bin")


def test_refuses_a_lazily_negated_view(tmp_path):
    negated = torch.ones(3, dtype=torch.complex64).conj().imag
    assert negated.is_neg()
    torch.save({"a": negated}, tmp_path / "m.bin")
    refusal(tmp_path / "m.bin")


def test_refuses_every_truncation(tmp_path):
    torch.save({"a": some((4, 4))}, tmp_path / "m.bin")
    whole = (tmp_path / "m.bin").read_bytes()
    for size in range(0, len(whole), 37):
        (tmp_path / "n.bin").write_bytes(whole[:size])
        refusal(tmp_path / "n.bin")
