"""Compares the room `text` with the Python libraries that it replaces."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from text_program import TOOL, text_tool

ROOT = Path(os.environ["EXPO_SOURCE_DIR"])
GOLDENS = ROOT / "tests/text/goldens"
MODEL = ROOT / "models/SmolLM2-135M-Instruct.Q4_1.gguf"
SHARED = ROOT / "../shared/data"


@pytest.mark.parametrize("script", ["make_tokenizers.py", "make_renderings.py"])
def test_goldens_are_those_of_the_installed_libraries(script):
    done = subprocess.run([sys.executable, GOLDENS / script, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The real model's tokenizer, rebuilt from its GGUF."""
    if not MODEL.exists():
        pytest.skip("the real model is not here; scripts/bootstrap model fetches it")
    folder = tmp_path_factory.mktemp("real") / "model"
    subprocess.run([os.environ["EXPO_BINARY"], "convert", MODEL, folder, "--out-dtype", "bf16"], check=True,
                   capture_output=True)
    return folder


def test_the_real_tokenizer_gives_the_ids_of_the_python_library(real):
    tokenizers = pytest.importorskip("tokenizers")
    texts = (GOLDENS / "torture.utf8").read_bytes().decode().split("\n")
    if (SHARED / "preferences/dev.jsonl").exists():
        rows = [json.loads(line) for line in (SHARED / "preferences/dev.jsonl").read_text(encoding="utf-8").splitlines()]
        texts += [turn["content"] for row in rows for side in ("chosen", "rejected") for turn in row[side]]
    seed = 20240425
    draw = random.Random(seed)
    for _ in range(300):  # any characters except surrogates
        points = (draw.choice((draw.randrange(1, 0x80), draw.randrange(0x80, 0xd800), draw.randrange(0xe000, 0x110000)))
                  for _ in range(draw.randrange(1, 60)))
        texts.append("".join(map(chr, points)))
    theirs = tokenizers.Tokenizer.from_file(str(real / "tokenizer.json"))
    expected = [encoding.ids for encoding in theirs.encode_batch(texts, add_special_tokens=False)]
    assert text_tool("encode", real / "tokenizer.json", lines=texts) == expected, f"seed {seed}"


def test_conversations_of_the_real_model_are_those_of_transformers(real):
    transformers = pytest.importorskip("transformers")
    conversations = list(json.loads((GOLDENS / "conversations.json").read_text(encoding="utf-8")).values())
    theirs = transformers.AutoTokenizer.from_pretrained(real)
    expected = [theirs.apply_chat_template(conversation, add_generation_prompt=True, return_dict=False)
                for conversation in conversations]
    assert [line["ids"] for line in text_tool("chat", real, lines=conversations)] == expected


@pytest.mark.parametrize("name", ["gpt-2", "llama-bpe", "llama-spm", "qwen2"])
def test_tokenizers_rebuilt_from_gguf_vocabularies_give_the_listed_ids(tmp_path, name):
    source = SHARED / f"gguf_vocabs/ggml-vocab-{name}.gguf"
    if not source.exists():
        pytest.skip(f"{source} is not here")
    gguf_tool = TOOL.with_name("gguf_tool")
    subprocess.run([gguf_tool, "tokenizer", source, tmp_path], check=True, capture_output=True)
    texts = Path(f"{source}.inp").read_bytes().decode().split("\n__ggml_vocab_test__\n")
    expected = [list(map(int, line.split())) for line in Path(f"{source}.out").read_text().splitlines()]
    ids = text_tool("encode", tmp_path / "tokenizer.json", lines=texts[:len(expected)])
    assert len(ids) > 40 and ids == expected
