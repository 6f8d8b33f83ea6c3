"""`expo search` with a reward model that a server runs."""

import json
import os

import numpy as np
import pytest
from checkpoints import expo
from small_models import model, needs_engine, read_rows

from model_server import ModelServer, Status, reward

pytestmark = needs_engine


def numbers(text):
    return [int(word[1:]) for word in text.split()]


def test_scores_are_the_servers_rewards_of_the_answers(tmp_path, inputs):
    run = tmp_path / "run"
    with ModelServer("vllm", root=model(tmp_path / "reward", "llama_reward"), context=256) as server:
        expo("search", *inputs, "--reward-model", f"vllm={server.url}", "-o", run)
        assert server.asked("/classify")
    result = json.loads((run / "search.json").read_text())
    texts = {row["id"]: row["prompt"] for row in read_rows(inputs[2])}
    answers = {}
    for row in read_rows(run / "answers.jsonl"):
        if "text" in row:
            answers.setdefault(row["candidate"], {})[texts.get(row["prompt"], row["prompt"])] = row["text"]
    checked = 0
    for candidate in result["candidates"]:
        part = candidate["confirming"]
        if not part:
            continue
        mean = np.mean([reward([3, *numbers(prompt), 4, *numbers(text)])
                        for prompt, text in answers[candidate["label"]].items() if prompt in apart(texts.values())])
        assert part["mean"] == pytest.approx(mean, abs=1e-6)
        checked += 1
    assert checked >= 1


def test_a_server_with_a_key_and_a_model_elsewhere_scores_too(tmp_path, inputs):
    scores = model(tmp_path / "reward", "llama_reward")
    with ModelServer("vllm", root="/nowhere/reward", context=256) as server:
        server.misbehave = lambda request: (None if request.headers.get("Authorization") == "Bearer sk-Secret-4711"
                                            else Status(401))
        search = ["search", *inputs, "--reward-model", f"vllm={server.url}", "-o", tmp_path / "run"]
        done = expo(*search, check=False)
        assert done.returncode == 4 and "--key-variable names" in done.stderr
        environment = os.environ | {"MY_KEY": "sk-Secret-4711"}
        search += ["--key-variable", "MY_KEY"]
        done = expo(*search, check=False, env=environment)
        assert done.returncode == 3 and "--tokenizer names where they are" in done.stderr
        expo(*search, "--tokenizer", scores, "--answer-timeout", "60", env=environment)
        assert server.asked("/classify")


@pytest.mark.parametrize("option", [["--tokenizer", "M"], ["--key-variable", "K"], ["--answer-timeout", "9"]])
def test_options_of_servers_are_refused_where_none_is_asked(tmp_path, inputs, option):
    done = expo("search", *inputs, "--reward-model", "RM", *option, "-o", tmp_path / "run", check=False)
    assert done.returncode == 2 and f"{option[0]} has no effect" in done.stderr, done.stderr


def apart(texts):
    """The prompts that confirm, by the split's own words: a hash of the text, in the upper half."""
    xxhash = pytest.importorskip("xxhash")
    return [text for text in texts if (xxhash.xxh3_64_intdigest(text.encode()) >> 11) / 2**53 >= 0.5]


def test_a_policy_on_a_server_is_refused(tmp_path, inputs):
    done = expo("search", inputs[0], "vllm=http://127.0.0.1:9", *inputs[2:], "--reward-model", "RM", "-o",
                tmp_path / "run", check=False)
    assert done.returncode == 2 and "runs its models itself" in done.stderr, done.stderr
