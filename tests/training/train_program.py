"""expo train as the tests run it, and what they look at."""

import json
import os
import subprocess
from pathlib import Path

ROOT = Path(os.environ.get("EXPO_SOURCE_DIR", Path(__file__).parents[2]))
BUILD = Path(os.environ.get("EXPO_BUILD_DIR", ROOT / "build/release"))
TRAIN = BUILD / "expo-engine"
EXPO = os.environ.get("EXPO_BINARY", str(BUILD / "expo"))


def flags(keys):
    return [word for name, value in keys.items() for word in (f"--{name.replace('_', '-')}", str(value))]


def command(method, **keys):
    common = {"bf16": "false", "device": "cpu", "threads": 1, "per_device_train_batch_size": 2, "gradient_accumulation_steps": 2,
              "learning_rate": 1e-3, "tokens_per_pass": 64}
    return [TRAIN, "train", method, *flags({**common, **keys})]


def train(method, expected=0, **keys):
    done = subprocess.run(command(method, **keys), capture_output=True, text=True, check=False)
    assert done.returncode == expected, done.stderr
    return done


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def load(folder, kind="AutoModelForCausalLM"):
    import torch
    import transformers

    return getattr(transformers, kind).from_pretrained(folder, dtype=torch.float32).eval()


def files_of(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def spoil(folder, factor=1.5):
    """Another model of the same shape; with a factor that is none, a model that gives no number."""
    from safetensors.numpy import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    tensors["model.norm.weight"] = tensors["model.norm.weight"] * factor
    save_file(tensors, folder / "model.safetensors")
    return folder


def rows_of(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]
