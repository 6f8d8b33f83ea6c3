"""The three trainers on a real model: what they write loads in transformers and peft."""

import json
import subprocess
import sys

import pytest
from train_program import EXPO, ROOT, TRAIN, flags, load

MODEL = ROOT / "models/SmolLM2-135M-Instruct.Q4_1.gguf"
pytestmark = [pytest.mark.skipif(not TRAIN.exists(), reason="built without libtorch"),
              pytest.mark.skipif(not MODEL.exists(), reason="scripts/bootstrap model fetches the model")]


def run(tmp_path, method, **keys):
    data, out = tmp_path / "pairs.jsonl", tmp_path / "out"
    subprocess.run([sys.executable, ROOT / "examples/preference_pairs.py", data, "--pairs", "4", "--words", "10", "20"],
                   check=True)
    done = subprocess.run([TRAIN, "train", method, *flags({
        "model_name_or_path": MODEL, "dataset_name": data, "output_dir": out, "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 1, "warmup_ratio": 0, "eval_dataset_name": data, **keys})],
        capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 2]
    return out / "final", lines


def test_dpo_goes_the_way_that_it_was_shown(tmp_path):
    final, lines = run(tmp_path, "dpo", beta=0.1, learning_rate=2e-6)
    assert lines[-1]["eval_rewards/margins"] > 0
    assert load(final).config.model_type == "llama"
    sft = tmp_path / "sft"
    subprocess.run([EXPO, "convert", MODEL, sft, "--out-dtype", "f32"], check=True, capture_output=True)
    done = subprocess.run([EXPO, "extrapolate", sft, final, "-o", tmp_path / "more", "--alpha", "2.5"], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_sft_lowers_the_loss_of_what_it_saw(tmp_path):
    final, lines = run(tmp_path, "sft", learning_rate=1e-4)
    assert lines[-1]["eval_loss"] < lines[0]["loss"]
    assert load(final).config.tie_word_embeddings


def test_a_reward_model_and_its_adapter_load(tmp_path):
    from peft import AutoPeftModelForSequenceClassification

    final, _ = run(tmp_path, "reward", learning_rate=1e-4, use_peft="true", lora_r=4)
    assert AutoPeftModelForSequenceClassification.from_pretrained(chat_base(tmp_path, final), num_labels=1).num_labels == 1


def chat_base(tmp_path, adapter):
    """The adapter over a folder, since PEFT cannot open a GGUF by its path."""
    base = tmp_path / "base"
    subprocess.run([EXPO, "convert", MODEL, base, "--out-dtype", "f32"], check=True, capture_output=True)
    config = json.loads((adapter / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = str(base)
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    return adapter
