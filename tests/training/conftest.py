"""A small model, and pairs to train it on."""

import pytest
from tiny_chat import chat_model, pairs


@pytest.fixture
def model(tmp_path):
    return chat_model(tmp_path / "model")


@pytest.fixture
def data(tmp_path):
    return {"dataset_name": pairs(tmp_path / "pairs.jsonl", 14, 1), "eval_dataset_name": pairs(tmp_path / "dev.jsonl", 5, 2)}
