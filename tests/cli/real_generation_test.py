"""`expo generate` on a real model, SmolLM2-135M-Instruct, straight from its GGUF, against transformers."""

import pytest

from checkpoints import expo
from real_model_test import find_model
from small_models import needs_engine, read_rows, write_rows

pytestmark = needs_engine
QUESTIONS = ["What is the capital of France?", "Name three colours of the rainbow."]


def test_greedy_answers_from_the_gguf_are_those_of_transformers(tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    gguf = find_model()
    data = write_rows(tmp_path / "prompts.jsonl", [{"prompt": question} for question in QUESTIONS])
    expo("generate", gguf, data, "-o", tmp_path / "out.jsonl", "--dtype", "f32", "--max-new-tokens", "24")
    expo("convert", gguf, tmp_path / "model", "--out-dtype", "f32")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "model")
    network = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "model", dtype=torch.float32).eval()
    for question, row in zip(QUESTIONS, read_rows(tmp_path / "out.jsonl"), strict=True):
        ids = tokenizer.apply_chat_template([{"role": "user", "content": question}], add_generation_prompt=True,
                                            tokenize=True, return_dict=True, return_tensors="pt")["input_ids"]
        made = network.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=24,
                                pad_token_id=0)[0, ids.shape[1]:]
        assert row["messages"][-1]["content"] == tokenizer.decode(made, skip_special_tokens=True)
        assert row["tokens"] == len(made)


def test_a_quick_question_gets_its_answer_in_words():
    done = expo("generate", find_model(), "--prompt", QUESTIONS[0])
    assert done.stdout == "The capital of France is Paris.\n"
    assert "bfloat16" in done.stderr
