"""Answers and log-probabilities of a real model, SmolLM2-135M-Instruct, against transformers in float32."""

import json
import os
from pathlib import Path

import pytest

from checkpoints import expo
from real_model_test import find_model
from small_models import needs_engine, read_rows, write_rows

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytestmark = needs_engine

PROMPTS = ["What is the capital of France?", "Write a haiku about the sea.",
           "List three prime numbers, and say why each of them is prime.", "Ein Satz auf Deutsch, bitte: über Köln."]
NEW_TOKENS = 64


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("real") / "f32"
    expo("convert", find_model(), path, "--out-dtype", "f32")
    return path


@pytest.fixture(scope="module")
def reference(folder):
    torch.set_num_threads(2)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    return tokenizer, transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def encoded(tokenizer, prompt):
    return tokenizer.apply_chat_template([{"role": "user", "content": prompt}], add_generation_prompt=True,
                                         return_tensors="pt", return_dict=True)["input_ids"]


def test_greedy_answers_are_those_of_transformers(folder, reference, tmp_path):
    tokenizer, model = reference
    rows = write_rows(tmp_path / "prompts.jsonl", [{"prompt": prompt} for prompt in PROMPTS])
    expo("generate", folder, rows, "-o", tmp_path / "out.jsonl", "--dtype", "f32", "--max-new-tokens", NEW_TOKENS)
    for prompt, row in zip(PROMPTS, read_rows(tmp_path / "out.jsonl"), strict=True):
        ids = encoded(tokenizer, prompt)
        with torch.inference_mode():
            made = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=NEW_TOKENS)
        new = made[0, ids.shape[1]:]
        assert row["messages"][-1]["content"] == tokenizer.decode(new, skip_special_tokens=True), prompt
        assert row["tokens"] == len(new)


@pytest.mark.parametrize("dtype, tolerance", [("f32", 1e-4), ("bf16", 2e-2)])
def test_log_probabilities_are_those_of_transformers(folder, reference, tmp_path, dtype, tolerance):
    tokenizer, model = reference
    answers = ["The capital of France is Paris.", "Waves fold into foam,\nthe horizon keeps its line,\ngulls argue with wind.",
               "2, 3 and 5, since none has a divisor but 1 and itself.", "Köln liegt am Rhein – schön, nicht wahr?"]
    rows = write_rows(tmp_path / "pairs.jsonl",
                      [{"prompt": prompt, "answer": answer} for prompt, answer in zip(PROMPTS, answers)])
    expo("score", folder, rows, "-o", tmp_path / "out.jsonl", "--log-probs", "--dtype", dtype)
    for row in read_rows(tmp_path / "out.jsonl"):
        before = encoded(tokenizer, row["prompt"])
        answer = tokenizer(row["answer"], add_special_tokens=False, return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            logits = model(torch.cat([before, answer], 1)).logits[0, before.shape[1] - 1:-1]
        expected = torch.log_softmax(logits, -1).gather(1, answer[0, :, None]).sum().item()
        assert row["answer_tokens"] == answer.shape[1]
        assert abs(row["log_prob"] - expected) < tolerance * answer.shape[1]


def test_a_gguf_file_answers_by_itself():
    done = expo("generate", find_model(), "--prompt", PROMPTS[0])
    assert done.stdout == "The capital of France is Paris.\n"
    assert "bfloat16" in done.stderr
