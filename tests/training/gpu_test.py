"""expo train, generate and score on a GPU against the processor. Skipped where there is none;
EXPO_TEST_DEVICE=cpu runs the tests themselves on the processor."""

import ctypes
import json
import os
import shutil
import subprocess

import pytest
from tiny_chat import chat_model, pairs
from train_program import EXPO, TRAIN, files_of, metrics, train

DEVICE = os.environ.get("EXPO_TEST_DEVICE", "cuda")


def gpus():
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int()
    return count.value if driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 else 0


pytestmark = [pytest.mark.skipif(not TRAIN.exists(), reason="built without libtorch"),
              pytest.mark.skipif(DEVICE != "cpu" and gpus() == 0, reason="there is no GPU")]


@pytest.fixture
def keys(tmp_path):
    return {"model_name_or_path": chat_model(tmp_path / "model"), "dataset_name": pairs(tmp_path / "pairs.jsonl", 14, 1),
            "eval_dataset_name": pairs(tmp_path / "dev.jsonl", 5, 2), "beta": 0.1, "adam_epsilon": 1e-6}


def weights(folder):
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def expect_same_training(one, other, tolerance):
    ours, theirs = weights(one / "final"), weights(other / "final")
    for name, value in theirs.items():
        assert (ours[name] - value).abs().max() < tolerance * value.abs().max(), name
    for here, there in zip(metrics(one), metrics(other), strict=True):
        for key in ("loss", "eval_loss", "grad_norm"):
            if key in there:
                assert abs(here[key] - there[key]) < tolerance * max(1, abs(there[key])), key


@pytest.mark.parametrize("changes", [{}, {"gradient_checkpointing": "true"}])
def test_a_step_is_the_processors(tmp_path, keys, changes):
    train("dpo", output_dir=tmp_path / "gpu", **{**keys, **changes, "device": DEVICE})
    train("dpo", output_dir=tmp_path / "cpu", **{**keys, **changes, "device": "cpu"})
    expect_same_training(tmp_path / "gpu", tmp_path / "cpu", 1e-4)


def test_bfloat16_stays_near_float32(tmp_path, keys):
    for bf16 in ("true", "false"):
        train("dpo", output_dir=tmp_path / bf16, **{**keys, "device": DEVICE, "bf16": bf16})
    for narrow, wide in zip(metrics(tmp_path / "true"), metrics(tmp_path / "false"), strict=True):
        if "loss" in wide:
            assert abs(narrow["loss"] - wide["loss"]) < 1e-2


@pytest.mark.parametrize("changes", [{"bf16": "true"}, {"use_peft": "true", "lora_dropout": 0.1}])
def test_a_resumed_run_ends_in_the_same_bytes(tmp_path, keys, changes):
    keys = {**keys, **changes, "device": DEVICE, "save_steps": 1}
    train("dpo", output_dir=tmp_path / "whole", **keys)
    out = tmp_path / "out"
    shutil.copytree(tmp_path / "whole", out)
    for name in ("final", "checkpoint-3", "checkpoint-4"):
        shutil.rmtree(out / name)
    train("dpo", output_dir=out, resume="true", **keys)
    assert files_of(out / "final") == files_of(tmp_path / "whole/final")


@pytest.mark.skipif(DEVICE != "cpu" and gpus() < 2, reason="there are no two GPUs")
def test_two_ranks_equal_one(tmp_path, keys):
    from ranks_test import finish, start

    train("dpo", output_dir=tmp_path / "one", **{**keys, "device": DEVICE})
    finish(start(2, output_dir=tmp_path / "two", **{**keys, "device": DEVICE, "gradient_accumulation_steps": 1}))
    expect_same_training(tmp_path / "two", tmp_path / "one", 1e-4)


def run(*arguments):
    done = subprocess.run([EXPO, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_answers_and_rewards_are_the_processors(tmp_path, keys):
    model, data = keys["model_name_or_path"], keys["dataset_name"]
    sides = {}
    for device in (DEVICE, "cpu"):
        settings = ("--device", device, "--dtype", "float32")
        answers = run("generate", model, data, "--temperature", 0, "--max-new-tokens", 24, *settings)
        log_probs = run("score", model, data, "--log-probs", *settings)
        sides[device] = ([row["messages"] for row in answers], [row["log_prob_chosen"] for row in log_probs])
    assert sides[DEVICE][0] == sides["cpu"][0]
    assert sides[DEVICE][1] == pytest.approx(sides["cpu"][1], abs=1e-3)
