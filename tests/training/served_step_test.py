"""What serving in bfloat16 leaves of a training: said before it and after it, against torch's rounding."""

import json
import re
import shlex
import subprocess

import numpy as np
import pytest
from tiny_chat import chat_model
from train_program import EXPO, TRAIN, command, train

pytestmark = pytest.mark.skipif(not TRAIN.exists(), reason="built without libtorch")
COMMAND = re.compile(r"expo extrapolate (\S+) (\S+) -o OUT (--alpha 0 --out-dtype bf16 --rounding stochastic)")


def rewrite(folder, change):
    from safetensors.numpy import load_file, save_file

    tensors = {name: change(value.astype(np.float32)) for name, value in load_file(folder / "model.safetensors").items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return tensors


@pytest.fixture
def rounded(tmp_path):
    """A model whose weights bfloat16 represents, stored as float32."""
    folder = chat_model(tmp_path / "rounded")
    rewrite(folder, lambda value: (value.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32))
    return folder


def run_expo(*words):
    done = subprocess.run([EXPO, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


def load(folder):
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def effective_alpha(start, trained, served):
    """Of what is served, along the step, in float64; and the sum of the step's squares."""
    along = squares = 0.0
    for name, before in start.items():
        step = trained[name].double() - before.double()
        along += ((served[name].double() - trained[name].double()) * step).sum().item()
        squares += step.square().sum().item()
    return along / squares, squares


def as_bf16(tensors):
    return {name: value.bfloat16() for name, value in tensors.items()}


def neighbours(value):
    """The number of bfloat16 towards zero (or the value itself), and the next one away from it, as float64."""
    import torch

    low = value.numpy().view(np.uint32) & np.uint32(0xFFFF0000)
    return [torch.from_numpy(bits.view(np.float32)).double() for bits in (low, low + np.uint32(0x10000))]


def lost_and_changed(start, trained):
    changed = {name: trained[name].double() != before.double() for name, before in start.items()}
    lost = sum((changed[name] & (trained[name].bfloat16() == before.bfloat16())).sum().item() for name, before in start.items())
    return lost, sum(mask.sum().item() for mask in changed.values())


def test_a_start_that_lies_on_ties_is_warned_of(tmp_path, data):
    model = chat_model(tmp_path / "model")
    draw = np.random.default_rng(11)
    kinds = np.array([0, 0, 0, 0x8000, 0x1234], np.uint32)  # represented, half-way, between
    tensors = rewrite(model, lambda value: ((value.view(np.uint32) & np.uint32(0xFFFF0000)) |
                                            draw.choice(kinds, value.shape)).view(np.float32))
    low = np.concatenate([value.view(np.uint32).ravel() & 0xFFFF for value in tensors.values()])
    between, ties = 100 * np.mean(low != 0), 100 * np.mean(low == 0x8000)
    for further, merged in (({}, ""), ({"use_peft": "true", "bf16": "true"}, "merged and ")):
        done = train("dpo", model_name_or_path=model, output_dir=tmp_path / f"out{len(further)}", **data, **further)
        assert f"{between:.1f} % of the weights lie between two bfloat16 numbers, {ties:.1f} % exactly half-way" in done.stderr
        assert f"if the result is {merged}served in bfloat16" in done.stderr
        assert done.stderr.index("half-way") < done.stderr.index("step 1/")
    named = re.search(r"expo convert (\S+) OUT --out-dtype bf16", done.stderr)
    assert named[1] == str(model)
    run_expo("convert", named[1], tmp_path / "better", "--out-dtype", "bf16")
    done = train("dpo", model_name_or_path=tmp_path / "better", output_dir=tmp_path / "out", **data)
    assert "half-way" not in done.stderr


def test_ties_make_a_small_step_larger_where_it_is_served(tmp_path, rounded, data):
    draw = np.random.default_rng(12)
    rewrite(rounded, lambda value: np.where(draw.random(value.shape) < 0.08, value.view(np.uint32) | np.uint32(0x8000),
                                            value.view(np.uint32)).view(np.float32))
    out = tmp_path / "out"
    train("dpo", model_name_or_path=rounded, output_dir=out, learning_rate=1e-6, **data)
    start, trained = load(rounded), load(out / "final")
    expected, _ = effective_alpha(start, trained, as_bf16(trained))
    assert expected > 1
    serving = json.loads((out / "run.json").read_text())["serving"]
    assert abs(serving["effective_alpha"] - expected) < 1e-3 * expected


def test_a_step_that_bfloat16_swallows_is_told_and_kept_by_the_command_that_is_named(tmp_path, rounded, data):
    import torch

    out = tmp_path / "out"
    done = subprocess.run([*command("dpo", model_name_or_path=rounded, output_dir=out, learning_rate=1e-6, **data), "--json"],
                          capture_output=True, text=True, check=True)
    assert "half-way" not in done.stderr, "the start is represented"
    start, trained = load(rounded), load(out / "final")
    expected, squares = effective_alpha(start, trained, as_bf16(trained))
    lost, changed = lost_and_changed(start, trained)
    assert -1.05 < expected < -0.8
    report = json.loads(done.stdout)
    serving = json.loads((out / "run.json").read_text())["serving"]
    assert report["serving"] == serving and report["warnings"]
    assert serving["dtype"] == "bfloat16" and (serving["lost"], serving["changed"]) == (lost, changed)
    assert abs(serving["effective_alpha"] - expected) < 1e-3
    assert f"{lost} of the {changed} weights" in done.stderr
    assert f"an effective α of {expected:.3f}" in done.stderr
    sft, result, options = COMMAND.search(done.stderr).groups()
    alphas = []
    for seed in range(16):
        run_expo("extrapolate", sft, result, "-o", tmp_path / "kept", *shlex.split(options), "--seed", seed, "--overwrite")
        kept = load(tmp_path / "kept")
        assert all(value.dtype == torch.bfloat16 for value in kept.values())
        alphas.append(effective_alpha(start, trained, kept)[0])
    variance = 0.0
    for name, value in trained.items():
        below, above = neighbours(value)
        served, exact = kept[name].double(), value.double()
        assert ((served == below) | ((served == above) & (exact != below))).all(), name
        # To one of its neighbours, so that the mean is the value.
        variance += ((exact - below) * (above - exact) * (exact - start[name].double()).square()).sum().item()
    deviation = (variance / len(alphas)) ** 0.5 / squares
    assert 5 * deviation < 0.5, "the test tells 0 from -1"
    assert abs(np.mean(alphas)) < 5 * deviation


def test_a_step_that_bfloat16_keeps_is_not_worth_a_word(tmp_path, rounded, data):
    out = tmp_path / "out"
    done = train("dpo", model_name_or_path=rounded, output_dir=out, learning_rate=3e-2, max_grad_norm=0, **data)
    start, trained = load(rounded), load(out / "final")
    expected, _ = effective_alpha(start, trained, as_bf16(trained))
    assert abs(expected) < 0.02
    assert abs(json.loads((out / "run.json").read_text())["serving"]["effective_alpha"] - expected) < 1e-3
    assert "effective α" not in done.stderr


def test_an_adapter_is_measured_as_it_is_merged(tmp_path, rounded, data):
    import torch
    from safetensors.torch import load_file

    out = tmp_path / "out"
    done = train("dpo", model_name_or_path=rounded, output_dir=out, use_peft="true", lora_r=4, lora_alpha=8,
                 lora_target_modules="all-linear", learning_rate=1e-5, **data)
    start, adapter = load(rounded), load_file(out / "final/adapter_model.safetensors")
    trained = dict(start)
    for name, a in adapter.items():
        if name.endswith(".lora_A.weight"):
            module = name.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
            b = adapter[name.replace("lora_A", "lora_B")]
            trained[module + ".weight"] = (start[module + ".weight"].double() + 2 * (b.double() @ a.double())).float()
    expected, _ = effective_alpha(start, trained, as_bf16(trained))
    assert expected < -0.5
    serving = json.loads((out / "run.json").read_text())["serving"]
    assert abs(serving["effective_alpha"] - expected) < 1e-3
    assert "merged into its base and served in bfloat16" in done.stderr
    sft, result, options = COMMAND.search(done.stderr).groups()
    run_expo("extrapolate", sft, result, "-o", tmp_path / "kept", *shlex.split(options))
    kept = load(tmp_path / "kept")
    assert all(value.dtype == torch.bfloat16 for value in kept.values())
    assert abs(effective_alpha(start, trained, kept)[0]) < 0.3


def test_a_result_saved_in_float16_is_measured_in_it(tmp_path, rounded, data):
    out = tmp_path / "out"
    for folder, dtype in ((out, "float16"), (tmp_path / "wide", "float32")):
        train("dpo", model_name_or_path=rounded, output_dir=folder, learning_rate=1e-6, save_dtype=dtype, **data)
    start, trained, saved = load(rounded), load(tmp_path / "wide/final"), load(out / "final")
    expected, _ = effective_alpha(start, trained, saved)
    serving = json.loads((out / "run.json").read_text())["serving"]
    assert serving["dtype"] == "float16" and abs(serving["effective_alpha"] - expected) < 1e-3
