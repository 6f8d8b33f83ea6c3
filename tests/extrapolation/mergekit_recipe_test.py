"""mergekit's recipes: what mergekit itself makes of them, and what our α makes of them, agree."""

import json
import os
import pathlib
import subprocess

import numpy as np
import pytest
import torch
import yaml
from mergekit.config import MergeConfiguration
from mergekit.merge import run_merge
from mergekit.options import MergeOptions
from safetensors import safe_open
from safetensors.numpy import load_file
from transformers import LlamaConfig, LlamaForCausalLM

LAYERS = 5


def build(folder, seed, layers=LAYERS):
    torch.manual_seed(seed)
    config = LlamaConfig(vocab_size=24, hidden_size=8, intermediate_size=12, num_hidden_layers=layers,
                         num_attention_heads=2, num_key_value_heads=1, tie_word_embeddings=False)
    model = LlamaForCausalLM(config).to(torch.float32)
    for parameter in model.parameters():
        parameter.data.normal_()
    model.save_pretrained(folder)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("sft", "aligned", "third")):
        build(folder / name, seed)
    for seed, name in enumerate(("sft1", "aligned1")):
        build(folder / name, seed, layers=1)
    return folder


def tensors(folder):
    result = {}
    for file in sorted(pathlib.Path(folder).glob("*.safetensors")):
        result |= load_file(file)
    return result


def run_mergekit(text, out):
    options = MergeOptions(quiet=True, copy_tokenizer=False, write_model_card=False)
    run_merge(MergeConfiguration.model_validate(yaml.safe_load(text)), str(out), options)


def parse(text, tmp_path, names=None):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(text)
    arguments = [pathlib.Path(os.environ["EXPO_BUILD_DIR"]) / "tests" / "parse_recipe", recipe]
    if names is not None:
        (tmp_path / "names").write_text("\n".join(names))
        arguments.append(tmp_path / "names")
    return subprocess.run(arguments, capture_output=True, text=True)


def task(models, parameters, top=""):
    return f"""
merge_method: task_arithmetic
base_model: {models}/sft
models:
  - model: {models}/aligned
    parameters: {parameters}
{top}
"""


def linear(models, first, second, top=""):
    return f"""
merge_method: linear
models:
  - model: {models}/sft
    parameters: {first}
  - model: {models}/aligned
    parameters: {second}
{top}
"""


ACCEPTED = {
    "weight": lambda m: task(m, "{weight: 1.3}"),
    "lambda": lambda m: task(m, "{weight: 1.5}", "parameters: {lambda: 1.2}"),
    "weight of all": lambda m: task(m, "{}", "parameters: {weight: 1.4}"),
    "interpolation": lambda m: task(m, "{weight: 0.5}"),
    "text for a number": lambda m: task(m, "{weight: '13e-1'}"),
    "base among the models": lambda m: f"""
merge_method: task_arithmetic
base_model: {m}/sft
models:
  - {{model: {m}/sft, parameters: {{weight: 7}}}}
  - {{model: {m}/aligned, parameters: {{weight: 1.3}}}}
""",
    "parameters without effect": lambda m: task(
        m, "{weight: 1.3, density: 0.2}",
        "parameters: {int8_mask: true, rescale: true, density: 0.1, normalize: false}"),
    "gradient": lambda m: task(m, "{weight: [1.1, 1.5, 3]}"),
    "gradient of lambda": lambda m: task(m, "{weight: 2}", "parameters: {lambda: [0.6, 1.2]}"),
    "one layer": lambda m: f"""
merge_method: task_arithmetic
base_model: {m}/sft1
models: [{{model: {m}/aligned1, parameters: {{weight: [1.1, 1.5, 3]}}}}]
""",
    "filters": lambda m: task(
        m, "{weight: [{filter: self_attn, value: 1.1}, {filter: layers.1, value: 1.7}, {value: 1.4}]}"),
    "a filter alone": lambda m: task(
        m, "{weight: {filter: mlp, value: 1.9}}", "parameters: {weight: 1.2}"),
    "star": lambda m: task(m, "{weight: [{filter: mlp, value: 1.9}, {filter: '*', value: 1.2}]}"),
    "a gradient in a filter": lambda m: task(
        m, "{weight: [{filter: mlp, value: [1, 2]}, {filter: norm, value: [1.5, 3]}, {value: [1.2, 2.2]}]}"),
    "filters of both": lambda m: task(
        m, "{weight: [{filter: q_proj, value: [1.2, 1.6]}, {filter: proj, value: 1.5}, {value: 1.1}]}",
        "parameters: {lambda: [{filter: layers.2, value: 0.9}, {filter: o_proj, value: 2}]}"),
    "fallback of filters": lambda m: task(
        m, "{weight: [{filter: mlp, value: 1.9}]}",
        "parameters: {weight: [{filter: k_proj, value: 1.2}, {value: 1.3}]}"),
    "linear": lambda m: linear(m, "{weight: -0.3}", "{weight: 1.3}"),
    "linear, divided": lambda m: linear(m, "{weight: -1}", "{weight: 3}"),
    "linear, first aligned": lambda m: linear(m, "{weight: 1.25}", "{weight: -0.25}"),
    "linear, negative sum": lambda m: linear(m, "{weight: 1}", "{weight: -3}"),
    "linear, not divided": lambda m: linear(
        m, "{weight: -0.5}", "{weight: 1.5}", "parameters: {normalize: false}"),
    "linear, gradients": lambda m: linear(m, "{weight: [-0.1, -0.5]}", "{weight: [1.1, 1.5]}"),
    "linear, gradients of one sum": lambda m: linear(
        m, "{weight: [-0.2, 0, -1]}", "{weight: [2.2, 2, 3]}"),
    "linear, filters": lambda m: linear(
        m, "{weight: [{filter: mlp, value: -0.5}, {value: -0.2}]}", "{weight: 1.5}"),
    "linear with a base": lambda m: linear(
        m, "{weight: -0.3}", "{weight: 1.3}", f"base_model: {m}/sft"),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_alpha_gives_what_mergekit_gives(models, tmp_path, name):
    text = ACCEPTED[name](models)
    run_mergekit(text, tmp_path / "merged")
    theirs = tensors(tmp_path / "merged")
    done = parse(text, tmp_path, theirs)
    assert done.returncode == 0, done.stderr
    recipe = json.loads(done.stdout)
    sft, aligned = tensors(recipe["sft"]), tensors(recipe["aligned"])
    assert theirs.keys() == sft.keys() == recipe["alphas"].keys()
    for tensor, merged in theirs.items():
        base = sft[tensor].astype(np.float64)
        target = aligned[tensor].astype(np.float64)
        ours = target + recipe["alphas"][tensor] * (target - base)
        # float32 roundings of the two weighted models and of their sum
        bound = 2.0 ** -22 * (np.abs(base) + np.abs(target)) * (2 + abs(recipe["alphas"][tensor]))
        assert (np.abs(merged - ours) <= bound).all(), tensor


def test_the_weights_differ_between_alphas(models):
    """What the bound above lets pass is far below what another α makes."""
    sft, aligned = tensors(models / "sft"), tensors(models / "aligned")
    for tensor in sft:
        difference = np.abs(aligned[tensor] - sft[tensor])
        assert np.median(difference) * 0.001 > 2.0 ** -22 * np.median(np.abs(sft[tensor])) * 4


@pytest.mark.parametrize("dtype, out_dtype, expected", [
    ("dtype: bfloat16", "", "bfloat16"), ("dtype: float32", "out_dtype: float16", "float16"),
    ("", "out_dtype: torch.bfloat16", "bfloat16"), ("", "", "")])
def test_output_types(models, tmp_path, dtype, out_dtype, expected):
    text = task(models, "{weight: 1.3}", f"{dtype}\n{out_dtype}")
    assert json.loads(parse(text, tmp_path).stdout)["out_dtype"] == expected
    run_mergekit(text, tmp_path / "merged")
    (file,) = (tmp_path / "merged").glob("*.safetensors")
    with safe_open(file, framework="pt") as merged:
        types = {str(merged.get_tensor(name).dtype) for name in merged.keys()}
    assert types == {f"torch.{expected or 'float32'}"}


REFUSED = {
    "three models": (lambda m: f"""
merge_method: linear
models:
  - {{model: {m}/sft, parameters: {{weight: -0.3}}}}
  - {{model: {m}/aligned, parameters: {{weight: 1}}}}
  - {{model: {m}/third, parameters: {{weight: 0.3}}}}
""", "needs two models"),
    "weights that do not add up": (
        lambda m: linear(m, "{weight: 0.5}", "{weight: 1}", "parameters: {normalize: false}"),
        "add up to 1.5"),
    "a product of gradients": (
        lambda m: task(m, "{weight: [1, 2]}", "parameters: {lambda: [1, 2]}"), "not linear"),
    "normalised task arithmetic": (
        lambda m: task(m, "{weight: 1.5}", "parameters: {normalize: true}"), "normalize"),
    "slices": (lambda m: f"""
merge_method: task_arithmetic
base_model: {m}/sft
slices:
  - sources:
      - {{model: {m}/sft, layer_range: [0, 2]}}
      - {{model: {m}/aligned, layer_range: [0, 2], parameters: {{weight: 1.3}}}}
""", "slices"),
    "another method": (lambda m: task(m, "{weight: 1}").replace("task_arithmetic", "dare_linear"),
                       "dare_linear"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_mergekit_takes_and_is_no_extrapolation_is_refused(models, tmp_path, name):
    make, said = REFUSED[name]
    text = make(models)
    run_mergekit(text, tmp_path / "merged")
    done = parse(text, tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
