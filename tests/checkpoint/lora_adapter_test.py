"""Adapters that PEFT itself writes, over tiny random models: the merged tensors against float64
numpy, against PEFT's own merge, and against the trained model's answers; scaled adapters loaded
back into PEFT."""

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
from safetensors.torch import load_file, save_file  # noqa: E402

TOOL = os.path.join(os.environ.get("EXPO_BUILD_DIR", ""), "tests", "lora_tool")
RANK = 4
ALPHA = 6


def llama(tied=False, dtype=torch.float32):
    torch.manual_seed(1)
    config = transformers.LlamaConfig(
        vocab_size=40, hidden_size=16, intermediate_size=24, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=tied,
        max_position_embeddings=32)
    return transformers.LlamaForCausalLM(config).to(dtype)


def gpt2():
    torch.manual_seed(2)
    config = transformers.GPT2Config(
        vocab_size=40, n_embd=16, n_layer=2, n_head=2, n_positions=32)
    return transformers.GPT2LMHeadModel(config)


def fill(model, seed=3):
    """Fills everything that is trained, including B, with values as if training had taken place."""
    generator = torch.Generator().manual_seed(seed)
    for _, parameter in sorted(model.named_parameters()):
        if parameter.requires_grad:
            with torch.no_grad():  # in place: tied adapters share their memory
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)


class Case:
    """A base and an adapter on disk, and the model that was trained."""

    def __init__(self, folder, model, save_base=None, **settings):
        self.folder = folder
        self.base = str(folder / "base")
        self.adapter = str(folder / "adapter")
        model.config._name_or_path = self.base
        (save_base or model).save_pretrained(self.base)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            settings = {"r": RANK, "lora_alpha": ALPHA, **settings}
            self.trained = peft.get_peft_model(model, peft.LoraConfig(**settings))
            fill(self.trained)
            self.trained.eval()
            self.trained.save_pretrained(self.adapter)

    def logits(self):
        with torch.no_grad():
            return self.trained(torch.arange(12).reshape(1, 12)).logits

    def edit_config(self, **changes):
        edit_json(os.path.join(self.adapter, "adapter_config.json"), **changes)


def edit_json(path, **changes):
    with open(path) as file:
        config = json.load(file)
    config.update(changes)
    with open(path, "w") as file:
        json.dump(config, file)


def run(*arguments):
    return subprocess.run([TOOL, *map(str, arguments)], capture_output=True, text=True)


def merge(case, *adapters, block=1 << 20):
    out = case.folder / f"merged-{len(os.listdir(case.folder))}.safetensors"
    done = run("merge", case.base, *(adapters or (case.adapter,)), out, block)
    assert done.returncode == 0, done.stderr
    return load_file(out), json.loads(done.stdout)


def refusal(case):
    done = run("merge", case.base, case.adapter, case.folder / "merged.safetensors", 1000)
    assert done.returncode == 3, (done.returncode, done.stderr)
    return done.stderr


def as_float64(tensor):
    return tensor.to(torch.float64).numpy()


def by_hand(base, a, b, scale, transposed=False):
    """base + scale·(B·A), with the ranks added one by one from zero, all in float64."""
    a, b = as_float64(a), as_float64(b)
    product = np.zeros((b.shape[0], a.shape[1]))
    for k in range(a.shape[0]):
        product = product + np.outer(b[:, k], a[k])
    if transposed:
        product = product.T
    return as_float64(base) + scale * product


def check_by_hand(case, scale_of=lambda module: ALPHA / RANK, transposed=lambda module: False,
                  rename=lambda name: name):
    merged, report = merge(case)
    base = load_file(os.path.join(case.base, "model.safetensors"))
    adapter = load_file(os.path.join(case.adapter, "adapter_model.safetensors"))
    adapted = set()
    for key in adapter:
        if not key.endswith(".lora_A.weight"):
            continue
        module = key.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
        name = rename(module + ".weight")
        expected = by_hand(base[name], adapter[key], adapter[key.replace("lora_A", "lora_B")],
                           scale_of(module), transposed(module))
        assert merged[name].dtype == torch.float64
        np.testing.assert_array_equal(merged[name].numpy(), expected, err_msg=name)
        assert report["nominal"][name] == str(base[name].dtype).removeprefix("torch.")
        adapted.add(name)
    assert adapted
    for name in set(base) - adapted:
        assert torch.equal(merged[name], base[name]), name
    return merged, report


def check_against_peft(case, merged, tolerance=1e-5):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        own = case.trained.merge_and_unload().state_dict()
    for name, value in merged.items():
        np.testing.assert_allclose(as_float64(value), as_float64(own[name]), rtol=0,
                                   atol=tolerance, err_msg=name)


def check_answers(case, merged, report, tolerance=1e-4):
    """The merged checkpoint, loaded by transformers, answers like the model that was trained."""
    folder = case.folder / "loaded"
    folder.mkdir()
    save_file({k: v.to(torch.float32).contiguous() for k, v in merged.items()},
              folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(report["config"]))
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    with torch.no_grad():
        logits = model(torch.arange(12).reshape(1, 12)).logits
    np.testing.assert_allclose(logits.numpy(), case.logits().float().numpy(), atol=tolerance)


def test_all_linear_modules_of_llama(tmp_path):
    case = Case(tmp_path, llama(), target_modules="all-linear")
    merged, report = check_by_hand(case)
    check_answers(case, merged, report)
    check_against_peft(case, merged)
    assert report["format"] == "LoRA over safetensors"
    assert report["files"] == ["model.safetensors", "adapter_model.safetensors",
                               "adapter_config.json"]
    assert report["warnings"] == []
    assert "config.json" in report["sidecars"]
    assert "adapter_config.json" not in report["sidecars"]


def test_values_do_not_depend_on_the_range_that_is_read(tmp_path):
    case = Case(tmp_path, llama(), r=7, target_modules="all-linear")
    whole, _ = merge(case)
    for block in (1, 5, 16, 23, 100):
        parts, _ = merge(case, block=block)
        assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_float64_models_equal_pefts_merge(tmp_path):
    torch.set_default_dtype(torch.float64)
    try:
        model = llama(dtype=torch.float64)
        case = Case(tmp_path, model, target_modules=["q_proj", "down_proj"])
    finally:
        torch.set_default_dtype(torch.float32)
    merged, _ = merge(case)
    check_against_peft(case, merged, tolerance=1e-14)


def test_bfloat16_base(tmp_path):
    case = Case(tmp_path, llama(dtype=torch.bfloat16), target_modules=["q_proj", "up_proj"])
    check_by_hand(case)


def test_rank_and_alpha_patterns_with_rslora(tmp_path):
    ranks = {"layers.0.self_attn.q_proj": 2, "^model.layers.1.mlp.up_proj": 6, r".*\.v_proj": 3,
             "k_proj": 5}
    alphas = {r"layers\.\d+\.mlp\.(up|down)_proj": 11, "model.layers.1.self_attn.q_proj": 3}
    case = Case(tmp_path, llama(), target_modules="all-linear", use_rslora=True,
                rank_pattern=ranks, alpha_pattern=alphas)
    own = {name: module for name, module in case.trained.base_model.model.named_modules()}
    seen = set()

    def scale_of(module):
        scale = own[module].scaling["default"]
        seen.add(round(scale, 6))
        return scale

    merged, report = check_by_hand(case, scale_of)
    assert len(seen) >= 6
    check_answers(case, merged, report)


def test_conv1d_of_gpt2(tmp_path):
    # If the head is adapted too, PEFT saves fan_in_fan_out false although c_attn is Conv1D.
    for number, targets in enumerate((["c_attn", "c_proj", "c_fc"], ["attn.c_proj"],
                                      ["attn.c_proj", "lm_head"])):
        folder = tmp_path / str(number)
        folder.mkdir()
        case = Case(folder, gpt2(), target_modules=targets)
        merged, report = merge(case)
        check_answers(case, merged, report)
        if "lm_head" not in targets:
            check_by_hand(case, transposed=lambda module: True)
            check_against_peft(case, merged)


def test_modules_to_save(tmp_path):
    case = Case(tmp_path, llama(), target_modules=["q_proj"], modules_to_save=["lm_head", "norm"])
    merged, report = merge(case)
    adapter = load_file(os.path.join(case.adapter, "adapter_model.safetensors"))
    for name in ("lm_head.weight", "model.norm.weight"):
        assert torch.equal(merged[name], adapter["base_model.model." + name])
    check_answers(case, merged, report)
    check_against_peft(case, merged)


def test_saved_modules_keep_the_bases_type_for_the_output(tmp_path):
    case = Case(tmp_path, llama(dtype=torch.bfloat16), target_modules=["q_proj"],
                modules_to_save=["lm_head"])
    path = os.path.join(case.adapter, "adapter_model.safetensors")
    save_file({k: v.float() for k, v in load_file(path).items()}, path)
    merged, report = merge(case)
    assert merged["lm_head.weight"].dtype == torch.float32
    assert report["nominal"]["lm_head.weight"] == "bfloat16"


@pytest.mark.parametrize("labels", [1, 3])
def test_reward_model_over_a_language_model(tmp_path, labels):
    """The base has a head over the vocabulary but no score head, which transformers creates for the training."""
    language = llama(tied=labels == 3)
    language.save_pretrained(tmp_path / "language")
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "language", num_labels=labels)
    case = Case(tmp_path, model, save_base=language, task_type="SEQ_CLS", target_modules=["q_proj", "down_proj"])
    tensors, report = merge(case)
    check_against_peft(case, tensors)
    assert tensors["score.weight"].shape == (labels, 16) and "lm_head.weight" not in tensors
    assert report["config"]["architectures"] == ["LlamaForSequenceClassification"]
    assert report["config"]["id2label"] == {str(label): f"LABEL_{label}" for label in range(labels)}


def test_outputs_without_the_task_are_refused(tmp_path):
    language = llama()
    language.save_pretrained(tmp_path / "language")
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "language", num_labels=1)
    case = Case(tmp_path, model, save_base=language, task_type="SEQ_CLS", target_modules=["q_proj"])
    case.edit_config(task_type="CAUSAL_LM")
    assert 'holds the outputs of a reward model ("score.weight"), but task_type' in refusal(case)


def test_embedding_and_head_of_their_own(tmp_path):
    case = Case(tmp_path, llama(), target_modules=["embed_tokens", "lm_head", "o_proj"])
    merged, report = merge(case)
    assert report["warnings"] == []  # the base layers that PEFT saved are the base's own
    base = load_file(os.path.join(case.base, "model.safetensors"))
    adapter = load_file(os.path.join(case.adapter, "adapter_model.safetensors"))
    prefix = "base_model.model.model.embed_tokens.lora_embedding_"
    expected = by_hand(base["model.embed_tokens.weight"], adapter[prefix + "A"],
                       adapter[prefix + "B"], ALPHA / RANK, transposed=True)
    np.testing.assert_array_equal(merged["model.embed_tokens.weight"].numpy(), expected)
    check_answers(case, merged, report)
    check_against_peft(case, merged)


@pytest.mark.parametrize("settings", [
    {"target_modules": ["q_proj", "lm_head"]},
    {"target_modules": ["q_proj", "embed_tokens"]},
    {"target_modules": ["q_proj", "embed_tokens", "lm_head"]},
    {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens"]},
    {"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]},
    {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens", "lm_head"]},
])
def test_tied_head_becomes_its_own(tmp_path, settings):
    case = Case(tmp_path, llama(tied=True), **settings)
    base = load_file(os.path.join(case.base, "model.safetensors"))
    assert "lm_head.weight" not in base
    merged, report = merge(case)
    assert merged["lm_head.weight"].shape == base["model.embed_tokens.weight"].shape
    assert report["config"]["tie_word_embeddings"] is False
    assert any("tie_word_embeddings" in warning for warning in report["warnings"])
    check_answers(case, merged, report)


@pytest.mark.parametrize("settings", [
    {"target_modules": ["q_proj", "embed_tokens", "lm_head"], "ensure_weight_tying": True},
    {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens", "lm_head"],
     "ensure_weight_tying": True},
    {"target_modules": ["q_proj"]},
])
def test_tied_head_that_stays_tied(tmp_path, settings):
    case = Case(tmp_path, llama(tied=True), **settings)
    merged, report = merge(case)
    assert "lm_head.weight" not in merged
    assert report["config"]["tie_word_embeddings"] is True
    assert report["warnings"] == []
    check_answers(case, merged, report)


def test_adapter_of_the_bare_model(tmp_path):
    model = llama()
    bare = transformers.LlamaModel(model.config)
    bare.load_state_dict(model.model.state_dict())
    case = Case(tmp_path, bare, save_base=model, target_modules=["q_proj", "down_proj"])
    check_by_hand(case, rename=lambda name: "model." + name)


def test_bare_checkpoint_under_an_adapter_of_the_whole_model(tmp_path):
    model = llama()
    bare = transformers.LlamaModel(model.config)
    case = Case(tmp_path, model, save_base=bare, target_modules=["q_proj", "down_proj"])
    check_by_hand(case, rename=lambda name: name.removeprefix("model."))


def test_two_adapters_on_one_base(tmp_path):
    case = Case(tmp_path, llama(), target_modules=["q_proj", "v_proj"])
    (tmp_path / "second").mkdir()
    second = Case(tmp_path / "second", llama(), r=3, target_modules=["v_proj", "up_proj"])
    first, _ = merge(case)
    both, report = merge(case, case.adapter, second.adapter)
    assert report["format"] == "LoRA over LoRA over safetensors"
    adapter = load_file(os.path.join(second.adapter, "adapter_model.safetensors"))
    name = "model.layers.1.self_attn.v_proj"
    expected = by_hand(first[name + ".weight"],
                       adapter[f"base_model.model.{name}.lora_A.weight"],
                       adapter[f"base_model.model.{name}.lora_B.weight"], ALPHA / 3)
    np.testing.assert_array_equal(both[name + ".weight"].numpy(), expected)
    unchanged = "model.layers.1.self_attn.q_proj.weight"
    assert torch.equal(both[unchanged], first[unchanged])


class Convolutions(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(5)
        self.wide = torch.nn.Conv2d(3, 5, (2, 3))
        self.point = torch.nn.Conv2d(5, 4, 1)
        self.line = torch.nn.Conv1d(4, 6, 3)
        self.grouped = torch.nn.Conv2d(4, 8, 3, groups=2)

    def forward(self, x):
        return x


def convolution_case(folder, targets):
    case = Case.__new__(Case)
    case.folder, case.base, case.adapter = folder, str(folder / "base"), str(folder / "adapter")
    model = Convolutions()
    os.makedirs(case.base)
    save_file({k: v.clone() for k, v in model.state_dict().items()},
              os.path.join(case.base, "model.safetensors"))
    case.trained = peft.get_peft_model(
        model, peft.LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=targets))
    fill(case.trained)
    case.trained.save_pretrained(case.adapter)
    return case


def test_convolutions(tmp_path):
    case = convolution_case(tmp_path, ["wide", "point", "line"])
    merged, _ = merge(case)
    assert merged["wide.weight"].dtype == torch.float64
    check_against_peft(case, merged, tolerance=1e-6)


def test_grouped_convolutions_are_refused(tmp_path):
    assert "groups" in refusal(convolution_case(tmp_path, ["grouped"]))


def test_dora_is_refused(tmp_path):
    case = Case(tmp_path, llama(), target_modules=["q_proj"], use_dora=True)
    assert "use_dora" in refusal(case)
    case.edit_config(use_dora=False)
    message = refusal(case)
    assert "lora_magnitude_vector" in message and "DoRA" in message


@pytest.mark.parametrize("settings, named", [
    ({"bias": "lora_only"}, "bias"),
    ({"init_lora_weights": "pissa"}, "init_lora_weights"),
    ({"init_lora_weights": "olora"}, "init_lora_weights"),
    ({"trainable_token_indices": [1, 2]}, "trainable_token_indices"),
    ({"layer_replication": [[0, 2], [1, 2]]}, "layer_replication"),
    ({"alora_invocation_tokens": [1]}, "alora_invocation_tokens"),
])
def test_what_peft_saves_for_other_settings_is_refused(tmp_path, settings, named):
    case = Case(tmp_path, llama(), target_modules=["q_proj"], **settings)
    assert f"{named} is" in refusal(case)


def test_other_methods_are_refused(tmp_path):
    case = Case(tmp_path, llama(), target_modules=["q_proj"])
    shutil.rmtree(case.adapter)
    model = peft.get_peft_model(llama(), peft.IA3Config(target_modules=["k_proj"],
                                                        feedforward_modules=[]))
    model.save_pretrained(case.adapter)
    assert "IA3" in refusal(case)


def scaled(case, alpha):
    out = case.folder / "scaled"
    done = run("scale", case.adapter, out, alpha)
    assert done.returncode == 0, done.stderr
    return str(out)


@pytest.mark.parametrize("alpha", [0.3, -1.0, 0.0, 5.0])
def test_scaled_adapter_in_peft(tmp_path, alpha):
    case = Case(tmp_path, llama(), use_rslora=True, rank_pattern={"q_proj": 2},
                target_modules=["q_proj", "down_proj", "embed_tokens"])
    folder = scaled(case, alpha)
    base = transformers.AutoModelForCausalLM.from_pretrained(case.base)
    original = {k: v.clone() for k, v in base.state_dict().items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        merged = peft.PeftModel.from_pretrained(base, folder).merge_and_unload().state_dict()
        trained = case.trained.merge_and_unload().state_dict()
    for name, value in original.items():
        expected = as_float64(value) + (1 + alpha) * (as_float64(trained[name]) - as_float64(value))
        np.testing.assert_allclose(as_float64(merged[name]), expected, atol=2e-5, err_msg=name)


def test_scaled_adapter_is_rounded_once(tmp_path):
    for number, dtype in enumerate((torch.bfloat16, torch.float16, torch.float32)):
        folder = tmp_path / str(number)
        folder.mkdir()
        case = Case(folder, llama(), target_modules=["q_proj", "embed_tokens"])
        path = os.path.join(case.adapter, "adapter_model.safetensors")
        adapter = {k: v.to(dtype) for k, v in load_file(path).items()}
        save_file(adapter, path, metadata={"format": "pt"})
        result = load_file(os.path.join(scaled(case, 0.3), "adapter_model.safetensors"))
        assert set(result) == set(adapter)
        for name, value in adapter.items():
            is_b = name.endswith(("lora_B.weight", "lora_embedding_B"))
            wanted = value if not is_b else (value.double() * (1 + 0.3)).to(dtype)
            assert torch.equal(result[name], wanted), name
        with open(os.path.join(case.adapter, "adapter_config.json")) as before, \
                open(folder / "scaled" / "adapter_config.json") as after:
            assert before.read() == after.read()


def test_bin_adapters_give_the_same_as_safetensors(tmp_path):
    case = Case(tmp_path, llama(), target_modules=["q_proj"], modules_to_save=["lm_head"])
    expected, _ = merge(case)
    path = os.path.join(case.adapter, "adapter_model.safetensors")
    torch.save(load_file(path), os.path.join(case.adapter, "adapter_model.bin"))
    os.remove(path)
    merged, _ = merge(case)
    assert all(torch.equal(expected[name], merged[name]) for name in expected)
