"""expo train's output folder: what is gone on with, what is replaced, and what is left alone."""

import json
import os
import random
import shutil
import signal
import subprocess
import time

import pytest
from tiny_chat import bad, chats, pairs, write_rows
from train_program import TRAIN, command, files_of, load, metrics, spoil, train

pytestmark = pytest.mark.skipif(not TRAIN.exists(), reason="built without libtorch")


@pytest.mark.parametrize("method, changes", [
    ("dpo", {}), ("dpo", {"use_peft": "true", "lora_dropout": 0.1}), ("dpo", {"bf16": "true", "threads": 2}),
    ("reward", {"learning_rate": 1e-4}), ("sft", {})])
def test_a_killed_run_ends_in_the_same_bytes(tmp_path, model, data, method, changes):
    if method == "sft":
        data = {"dataset_name": chats(tmp_path / "chats.jsonl", 14, 1)}
    keys = {"model_name_or_path": model, "num_train_epochs": 3, **data, **changes}
    train(method, output_dir=tmp_path / "whole", **keys)
    seed = int(os.environ.get("EXPO_TEST_SEED", time.time_ns() % 2**32))
    print("seed", seed)
    draw, out = random.Random(seed), tmp_path / "out"
    kills = 0
    for _ in range(200):
        started = time.monotonic()
        process = subprocess.Popen(command(method, output_dir=out, save_steps=1, resume="true", **keys),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        limit = draw.uniform(0, 2) if kills < 5 else 600
        try:
            _, errors = process.communicate(timeout=limit)
            assert process.returncode == 0, errors
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += 1
        assert time.monotonic() - started < 600
    assert files_of(out / "final") == files_of(tmp_path / "whole/final")
    here, there = metrics(out), metrics(tmp_path / "whole")
    for line in here + there:
        line.pop("tokens_per_second", None)
    assert here == there


def test_a_checkpoint_is_a_model_and_old_ones_are_dropped(tmp_path, model, data):
    out = tmp_path / "out"
    train("dpo", model_name_or_path=model, output_dir=out, save_steps=1, save_total_limit=2, **data)
    assert sorted(path.name for path in out.glob("checkpoint-*")) == ["checkpoint-3", "checkpoint-4"]
    assert load(out / "checkpoint-3").config.model_type == "llama"


def test_a_run_under_other_settings_is_not_gone_on_with(tmp_path, model, data):
    out = tmp_path / "out"
    train("dpo", model_name_or_path=model, output_dir=out, save_steps=1, **data)
    done = train("dpo", 2, model_name_or_path=model, output_dir=out, resume="true", beta=0.5, **data)
    assert "beta is 0.5 now but was 0.01" in done.stderr
    done = train("dpo", 2, model_name_or_path=model, output_dir=out, **data)
    assert "holds a training run" in done.stderr


@pytest.mark.parametrize("method, changes", [("dpo", {"use_peft": "true"}), ("reward", {})])
def test_a_run_on_another_model_is_not_gone_on_with(tmp_path, model, data, method, changes):
    keys = {"model_name_or_path": model, "output_dir": tmp_path / "out", "save_steps": 1, **data, **changes}
    train(method, **keys)
    spoil(model)
    assert "weights is" in train(method, 2, resume="true", **keys).stderr


def test_a_run_is_replaced_only_when_all_else_is_in_order(tmp_path, model, data):
    out = tmp_path / "out"
    keys = {"model_name_or_path": model, "output_dir": out, **data}
    train("dpo", save_steps=1, **keys)
    before = files_of(out / "final")
    train("dpo", 3, overwrite_output_dir="true", **{**keys, "dataset_name": bad(tmp_path, "bad.jsonl", chosen="")})
    train("dpo", 2, overwrite_output_dir="true", use_peft="true", lora_target_modules="q_porj", **keys)
    assert files_of(out / "final") == before and (out / "checkpoint-4").is_dir()
    train("dpo", overwrite_output_dir="true", **{**keys, "learning_rate": 2e-3})
    assert files_of(out / "final") != before and not list(out.glob("checkpoint-*"))


def test_a_folder_that_is_no_run_is_left_alone(tmp_path, model, data):
    out = tmp_path / "out"
    (out / "checkpoint-5").mkdir(parents=True)
    (out / "checkpoint-5/trainer_state.json").write_text("{}")
    for how in ("overwrite_output_dir", "resume"):
        done = train("dpo", 2, model_name_or_path=model, output_dir=out, **{how: "true"}, **data)
        assert "something else in it (checkpoint-5)" in done.stderr
    assert (out / "checkpoint-5/trainer_state.json").read_text() == "{}"


@pytest.mark.parametrize("how", ["overwrite_output_dir", "resume"])
def test_an_input_is_never_written_over(tmp_path, model, data, how):
    out = tmp_path / "run"
    train("dpo", model_name_or_path=model, output_dir=out, **data)
    before = files_of(out / "final")
    done = train("dpo", 2, model_name_or_path=out / "final", output_dir=out, **{how: "true"}, **data)
    assert "holds the input" in done.stderr
    assert "lies in the input" in train("dpo", 2, model_name_or_path=model, output_dir=model / "run", **data).stderr
    assert files_of(out / "final") == before and not (model / "run").exists()


def test_a_finished_run_is_not_begun_again_by_resuming_it(tmp_path, model, data):
    keys = {"model_name_or_path": model, "output_dir": tmp_path / "out", **data}
    train("dpo", **keys)
    assert "finished, without a checkpoint" in train("dpo", 2, resume="true", **keys).stderr


def test_references_of_another_configuration_are_not_taken(tmp_path, model, data):
    keys = {"reference_cache_dir": tmp_path / "cache", "model_name_or_path": model, **data}
    train("dpo", output_dir=tmp_path / "first", **keys)
    config = json.loads((model / "config.json").read_text())
    config["rms_norm_eps"] = 1e-3
    (model / "config.json").write_text(json.dumps(config))
    assert "log-probabilities" in train("dpo", output_dir=tmp_path / "second", **keys).stderr


def test_references_are_computed_once(tmp_path, model, data):
    cache = tmp_path / "cache"
    keys = {"model_name_or_path": model, "reference_cache_dir": cache, **data}
    train("dpo", output_dir=tmp_path / "first", **keys)
    again = train("dpo", output_dir=tmp_path / "second", **keys, learning_rate=2e-3)
    assert "log-probabilities" not in again.stderr
    for file in cache.iterdir():
        stored = json.loads(file.read_text())
        stored["log_probs"][0] += 1
        file.write_text(json.dumps(stored))
    done = train("dpo", 3, output_dir=tmp_path / "third", **keys)
    assert "not those that were written" in done.stderr


def test_a_failure_keeps_the_older_checkpoints(tmp_path, model, data):
    out = tmp_path / "out"
    train("dpo", 3, model_name_or_path=model, output_dir=out, learning_rate=1e30, max_grad_norm=0, save_steps=1,
          save_total_limit=2, **data)
    assert sorted(path.name for path in out.glob("*-*") if path.is_dir()) == ["checkpoint-1", "checkpoint-2"]


def test_an_interrupted_run_ends_with_its_exit_code(tmp_path, model, data):
    process = subprocess.Popen(command("dpo", model_name_or_path=model, output_dir=tmp_path / "out", max_steps=100000,
                                       save_steps=1, save_total_limit=1, **data), stderr=subprocess.PIPE, text=True)
    while "step 2/" not in (line := process.stderr.readline()):
        assert line, process.communicate()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode == 130
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]


def test_a_run_without_a_warm_up_is_not_gone_on_with_under_one(tmp_path, model, data):
    out = tmp_path / "out"
    train("dpo", model_name_or_path=model, output_dir=out, save_steps=1, warmup_steps=0, **data)
    shutil.rmtree(out / "final")
    done = train("dpo", 2, model_name_or_path=model, output_dir=out, resume="true", threads=2, **data)
    assert "warmup_ratio is 0.1 now but was 0" in done.stderr and "threads is 2 now but was 1" in done.stderr


def test_weights_that_give_no_number_for_the_evaluation_are_not_gone_on_from(tmp_path, model, data):
    """The rows that it is trained on give numbers; one of the others has the token of a spoilt embedding."""
    from safetensors.numpy import load_file, save_file

    tensors = load_file(model / "model.safetensors")
    tensors["model.embed_tokens.weight"][95] = float("nan")
    save_file(tensors, model / "model.safetensors", metadata={"format": "pt"})
    row = {"prompt": "w7", "chosen": "w8", "rejected": "w9"}
    keys = {"model_name_or_path": model, "output_dir": tmp_path / "out", "warmup_ratio": 0,
            "dataset_name": write_rows(tmp_path / "rows.jsonl", [row] * 4),
            "eval_dataset_name": write_rows(tmp_path / "dev.jsonl", [{**row, "chosen": "w95"}])}
    done = train("reward", 3, **keys)
    assert "evaluation after step" in done.stderr and "failed-" in done.stderr
    assert not (tmp_path / "out/final").exists() and not list((tmp_path / "out").glob("checkpoint-*"))
