"""`expo extrapolate` and `expo convert` with PEFT adapters, as a person runs them."""

import json
import os
import shutil
import subprocess
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")
from safetensors.torch import load_file  # noqa: E402

EXPO = os.environ["EXPO_BINARY"]


def expo(*arguments, code=0):
    done = subprocess.run([EXPO, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done


def make_adapter(base, folder, seed, size=0.1, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = transformers.AutoModelForCausalLM.from_pretrained(base)
        model = peft.get_peft_model(model, peft.LoraConfig(r=4, lora_alpha=8, **settings))
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for _, parameter in sorted(model.named_parameters()):
                if parameter.requires_grad:
                    parameter.copy_(torch.randn(parameter.shape, generator=generator) * size)
        model.save_pretrained(folder)
        return model.merge_and_unload().state_dict()


def values(folder):
    return {name: tensor.double().numpy()
            for name, tensor in load_file(os.path.join(folder, "model.safetensors")).items()}


@pytest.fixture
def base(tmp_path):
    torch.manual_seed(11)
    config = transformers.LlamaConfig(
        vocab_size=48, hidden_size=32, intermediate_size=40, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=False)
    transformers.LlamaForCausalLM(config).save_pretrained(tmp_path / "base")
    return tmp_path / "base"


def check(out, sft, aligned, alpha):
    result = values(out)
    assert set(result) == set(sft)
    for name, theta_sft in sft.items():
        theta = aligned[name].double().numpy()
        np.testing.assert_allclose(result[name], theta + alpha * (theta - theta_sft), rtol=0,
                                   atol=1e-6, err_msg=name)


def test_adapter_over_sft(base, tmp_path):
    aligned = make_adapter(base, tmp_path / "adapter", 1, target_modules=["q_proj", "down_proj"],
                           modules_to_save=["norm"])
    out = tmp_path / "out"
    report = json.loads(expo("extrapolate", base, tmp_path / "adapter", "-o", out, "--alpha", 0.5,
                             "--json").stdout)
    check(out, values(base), aligned, 0.5)
    assert report["delta"]["effective_alpha"] == pytest.approx(0.5, rel=1e-3)
    inputs = json.loads((out / "run.json").read_text())["inputs"]["aligned"]
    assert [file["file"] for file in inputs] == [
        "model.safetensors", "adapter_model.safetensors", "adapter_config.json"]
    assert all(file["digest"] for file in inputs)
    transformers.AutoModelForCausalLM.from_pretrained(out)


def test_two_adapters_on_one_base(base, tmp_path):
    sft = make_adapter(base, tmp_path / "sft", 1, target_modules=["q_proj", "v_proj"])
    aligned = make_adapter(base, tmp_path / "dpo", 2, target_modules=["v_proj", "up_proj"])
    out = tmp_path / "out"
    expo("extrapolate", f"{base}+{tmp_path / 'sft'}", f"{base}+{tmp_path / 'dpo'}", "-o", out,
         "--alpha", 2)
    check(out, {name: tensor.double().numpy() for name, tensor in sft.items()}, aligned, 2)


def test_inspect_of_an_adapter_over_its_base(base, tmp_path):
    aligned = make_adapter(base, tmp_path / "adapter", 4, target_modules=["q_proj", "down_proj"])
    report = json.loads(expo("inspect", base, tmp_path / "adapter", "--json").stdout)
    sft = values(base)
    theta = {name: tensor.double().numpy() for name, tensor in aligned.items()}
    square = {name: float(np.sum((theta[name] - sft[name]) ** 2)) for name in sft}
    norm = sum(float(np.sum(value**2)) for value in sft.values())
    assert report["total"]["relative_norm"] == pytest.approx((sum(square.values()) / norm) ** 0.5, rel=1e-5)
    assert {name for name, value in square.items() if value} == {
        f"model.layers.{layer}.{module}.weight" for layer in range(2)
        for module in ("self_attn.q_proj", "mlp.down_proj")}
    assert {group["group"] for group in report["by_kind"] if group["delta_norm"] > 0} == {"attention.q", "mlp.down"}


def test_what_the_base_warns_of_is_said_once(base, tmp_path):
    make_adapter(base, tmp_path / "adapter", 5, target_modules=["q_proj"])
    shard = "model-00001-of-00001.safetensors"
    shutil.copy(base / "model.safetensors", base / shard)
    (base / "model.safetensors.index.json").write_text(json.dumps({"weight_map": dict.fromkeys(values(base), shard)}))
    done = expo("extrapolate", base, tmp_path / "adapter", "-o", tmp_path / "out", "--alpha", 0.5)
    assert done.stderr.count("the single file was taken") == 1, done.stderr


def test_merging_alone(base, tmp_path):
    aligned = make_adapter(base, tmp_path / "adapter", 1, target_modules="all-linear")
    out = tmp_path / "out"
    expo("convert", f"{base}+{tmp_path / 'adapter'}", out)
    check(out, values(base), aligned, 0)


def test_the_number_of_threads_does_not_matter(base, tmp_path):
    make_adapter(base, tmp_path / "adapter", 1, target_modules="all-linear")
    outputs = []
    for threads in (1, 3):
        out = tmp_path / f"out{threads}"
        expo("extrapolate", base, tmp_path / "adapter", "-o", out, "--alpha", 0.3, "--threads",
             threads)
        outputs.append((out / "model.safetensors").read_bytes())
    assert outputs[0] == outputs[1]


def test_as_adapter(base, tmp_path):
    aligned = make_adapter(base, tmp_path / "adapter", 1, target_modules=["q_proj", "down_proj"])
    templates = tmp_path / "adapter" / "additional_chat_templates"
    templates.mkdir()
    (templates / "tool_use.jinja").write_text("{{ messages }}")
    out = tmp_path / "out"
    expo("extrapolate", base, tmp_path / "adapter", "-o", out, "--alpha", 0.5, "--as-adapter")
    assert (out / "additional_chat_templates" / "tool_use.jinja").exists()
    model = transformers.AutoModelForCausalLM.from_pretrained(base)
    merged = peft.PeftModel.from_pretrained(model, out).merge_and_unload().state_dict()
    for name, theta_sft in values(base).items():
        theta = aligned[name].double().numpy()
        np.testing.assert_allclose(merged[name].double().numpy(),
                                   theta + 0.5 * (theta - theta_sft), rtol=0, atol=1e-6)


def test_refusals_leave_nothing_behind(base, tmp_path):
    make_adapter(base, tmp_path / "adapter", 1, target_modules=["q_proj"], use_dora=True)
    done = expo("extrapolate", base, tmp_path / "adapter", "-o", tmp_path / "out", "--alpha", 0.5,
                code=3)
    assert "use_dora" in done.stderr
    assert not (tmp_path / "out").exists()


def spectra(*models):
    report = json.loads(expo("inspect", *models, "--spectrum", "--json").stdout)
    return {tensor["name"]: tensor["spectrum"] for tensor in report["tensors"] if "q_proj" in tensor["name"]}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rounding_of_a_merged_checkpoint_adds_small_singular_values(tmp_path, base, dtype):
    start = transformers.AutoModelForCausalLM.from_pretrained(base).to(dtype)
    start.save_pretrained(tmp_path / "start")
    merged = make_adapter(tmp_path / "start", tmp_path / "lora", 3, size=0.02, target_modules=["q_proj"])
    start.load_state_dict(merged)
    start.to(dtype).save_pretrained(tmp_path / "merged")
    unmerged = spectra(tmp_path / "start", tmp_path / "lora")
    rounded = spectra(tmp_path / "start", tmp_path / "merged")
    before, after = values(tmp_path / "start"), values(tmp_path / "merged")
    assert len(unmerged) == len(rounded) == 2
    for name, exact in unmerged.items():
        assert np.count_nonzero(before[name]) == before[name].size
        assert np.count_nonzero(exact) == 4, "the rank of the adapter"
        expected = np.linalg.svd(after[name] - before[name], compute_uv=False)
        assert rounded[name] == pytest.approx(expected, rel=1e-6, abs=1e-6 * expected[0])
        assert np.count_nonzero(rounded[name]) > 4, "what rounding adds"
        assert max(rounded[name][4:]) < (1e-3 if dtype == torch.float32 else 1) * exact[3]
