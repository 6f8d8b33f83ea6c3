"""The small models of tests/model/goldens with a tokenizer and a chat template, for the commands that run models.

Token number n of 96 reads "wn"; numbers 0, 1 and 2 are <unk>, <s> and </s>. A user's turn begins with w3, an
assistant's with w4, a system's with w5."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

ROOT = Path(os.environ["EXPO_SOURCE_DIR"])
GOLDENS = ROOT / "tests/model/goldens"
WORDS = 96
# Threads that wait for each other by spinning are slow where other tests want the same processors.
os.environ["OMP_NUM_THREADS"] = "1"

needs_engine = pytest.mark.skipif(not (Path(os.environ["EXPO_BINARY"]).parent / "expo-engine").exists(),
                                  reason="this build runs no models (EXPO_TORCH=OFF)")

TEMPLATE = ("{% for message in messages %}{% if message.role == 'user' %}w3 {% elif message.role == 'system' %}w5 "
            "{% else %}w4 {% endif %}{{ message.content }} {% endfor %}{% if add_generation_prompt %}w4 {% endif %}")


def tokenizer_json():
    special = ["<unk>", "<s>", "</s>"]
    words = special + [f"w{number}" for number in range(len(special), WORDS)]
    return {"version": "1.0", "truncation": None, "padding": None, "normalizer": None,
            "added_tokens": [{"id": number, "content": text, "single_word": False, "lstrip": False, "rstrip": False,
                              "normalized": False, "special": True} for number, text in enumerate(special)],
            "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": None, "decoder": None,
            "model": {"type": "WordLevel", "vocab": {word: number for number, word in enumerate(words)},
                      "unk_token": "<unk>"}}


def model(folder, name="llama", config=None, template=TEMPLATE, change=None, **tokenizer_config):
    """A copy of a golden model; `config` changes config.json, `change` the tensors."""
    folder = Path(folder)
    folder.mkdir(parents=True)
    settings = json.loads((GOLDENS / name / "config.json").read_text()) | (config or {})
    (folder / "config.json").write_text(json.dumps(settings))
    if change is None:
        shutil.copy(GOLDENS / name / "model.safetensors", folder)
    else:
        tensors = change(load_file(GOLDENS / name / "model.safetensors"))
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer_json()))
    tokens = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    if template is not None:
        tokens["chat_template"] = template
    (folder / "tokenizer_config.json").write_text(json.dumps(tokens | tokenizer_config))
    return folder


def pair(folder, seed=7, name="llama"):
    """An SFT model and one a little further on."""
    def step(tensors):
        rng = np.random.default_rng(seed)
        return {key: (value + rng.standard_normal(value.shape).astype(value.dtype) * 0.02).astype(value.dtype)
                for key, value in tensors.items()}
    return model(Path(folder) / "sft", name), model(Path(folder) / "aligned", name, change=step)


def prompts(rng, count, shortest=1, longest=20):
    """Texts of known words."""
    return [" ".join(f"w{rng.integers(6, WORDS)}" for _ in range(rng.integers(shortest, longest + 1)))
            for _ in range(count)]


def write_rows(path, rows):
    Path(path).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Path(path)


def read_rows(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]
