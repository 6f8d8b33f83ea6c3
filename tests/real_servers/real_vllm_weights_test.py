"""α on the real vLLM, which reads whole checkpoints while it runs, against the embedded engine and transformers."""

import json
import shutil

import numpy as np
import pytest
from checkpoints import expo
from safetensors.numpy import load_file, save_file
from small_models import read_rows, write_rows

from real_server import vllm
from reference import Reference, assert_greedy_answers_agree

LENGTH = ["--max-new-tokens", 48]
ALPHAS = [-1, 0, 0.3, 1]
EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"


def step(tensors, seed=22):
    """θ from θ_sft, far enough for other answers at every α."""
    rng = np.random.default_rng(seed)
    return {name: values + rng.standard_normal(values.shape, np.float32) * np.float32(0.06 * values.std())
            for name, values in sorted(tensors.items())}


def variant(folder, origin, change, **settings):
    """A copy of a checkpoint with other tensors and settings."""
    shutil.copytree(origin, folder)
    file = folder / "model.safetensors"
    tensors = change(load_file(file))
    save_file(tensors, file, metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | settings))
    return folder


@pytest.fixture(scope="module")
def own_head(sft, work):
    """θ_sft and θ, each with a head of its own."""
    def separated(tensors):
        return tensors | {HEAD: tensors[EMBEDDING].copy()}
    first = variant(work / "own_head_sft", sft, separated, tie_word_embeddings=False)
    return first, variant(work / "own_head", first, step)


@pytest.fixture(scope="module")
def server(own_head, work):
    with vllm(own_head[1], work, "--dtype", "float32") as running:
        yield running


def answers(model, data, out, *options):
    expo("generate", model, data, "-o", out, *LENGTH, *options)
    return [row["messages"][-1]["content"] for row in read_rows(out)]


def served_options(pair, folder, alpha):
    return ["--sft", pair[0], f"--alpha={alpha}", "--staging-dir", folder]


@pytest.mark.parametrize("alpha", ALPHAS)
def test_it_answers_and_weighs_as_the_extrapolated_model(server, own_head, prompts, alpha, tmp_path):
    sft, aligned = own_head
    options = served_options(own_head, tmp_path / "stage", alpha)
    served = answers(server.word, prompts[1], tmp_path / "served.jsonl", *options)
    here = ["--sft", sft, f"--alpha={alpha}", "--dtype", "f32"]
    embedded = answers(aligned, prompts[1], tmp_path / "embedded.jsonl", *here)
    expo("extrapolate", sft, aligned, "-o", tmp_path / "model", f"--alpha={alpha}")
    assert_greedy_answers_agree(Reference(tmp_path / "model"), prompts[0], embedded, served)

    expo("score", server.word, tmp_path / "embedded.jsonl", "-o", tmp_path / "weighed.jsonl", "--log-probs", *options)
    expo("score", aligned, tmp_path / "embedded.jsonl", "-o", tmp_path / "here.jsonl", "--log-probs", *here)
    expected = read_rows(tmp_path / "here.jsonl")
    assert sum(row["answer_tokens"] for row in expected) >= 128
    for one, other in zip(read_rows(tmp_path / "weighed.jsonl"), expected, strict=True):
        assert one["log_prob"] == pytest.approx(other["log_prob"], abs=1e-3)


def test_answers_differ_between_alphas(own_head, prompts, tmp_path):
    def at(alpha):
        return tuple(answers(own_head[1], prompts[1], tmp_path / f"{alpha}.jsonl", "--sft", own_head[0],
                             f"--alpha={alpha}", "--dtype", "f32"))
    assert len({at(alpha) for alpha in ALPHAS}) == len(ALPHAS)


def test_the_embedded_engine_proves_it(server, own_head, prompts, tmp_path):
    options = served_options(own_head, tmp_path / "stage", 4)
    served = answers(server.word, prompts[1], tmp_path / "served.jsonl", *options, "--prove-embedded")
    embedded = answers(own_head[1], prompts[1], tmp_path / "embedded.jsonl", "--sft", own_head[0], "--alpha", 4, "--dtype", "f32")
    expo("extrapolate", *own_head, "-o", tmp_path / "model", "--alpha", 4)
    assert_greedy_answers_agree(Reference(tmp_path / "model"), prompts[0], embedded, served)
    assert not list((tmp_path / "stage").glob("expo-staged-*"))


@pytest.fixture
def search(server, own_head, reward_model, tmp_path):
    """Whatever it finds, with a reward model that nobody has trained: its α are the server's."""
    def run(*options):
        data = write_rows(tmp_path / "dev.jsonl", [{"prompt": f"Count from {number} to {number + 3}."} for number in range(24)])
        expo("search", *own_head, data, "--reward-model", reward_model, "-o", tmp_path / "run", "--policy", server.word,
             "--staging-dir", tmp_path / "stage", "--max-new-tokens", 12, "--dtype", "f32", *options)
        assert (tmp_path / "run/report.html").exists() and not list((tmp_path / "stage").glob("expo-staged-*"))
        return json.loads((tmp_path / "run/search.json").read_text())
    return run


def test_a_search_goes_over_it(search):
    found = search("--alphas", "0,0.3,1")
    assert found["verdict"] and [each["label"] for each in found["candidates"]]
    assert {each["alpha"] for each in found["candidates"]} >= {0, 0.3, 1}


def test_several_checkpoints_and_another_baseline_take_turns(search, own_head, work):
    """At each move, the embedded engine tells whose weights the server has, to 0.001 a token."""
    other, rival = (variant(work / name, own_head[0], lambda tensors, seed=seed: step(tensors, seed))
                    for name, seed in (("other", 23), ("rival", 24)))
    found = search("--alphas", "0.3", "--also", other, "--baseline", rival, "--prove-embedded")
    assert {each["label"] for each in found["candidates"]} == {
        "α = -1", "own_head α = 0", "own_head α = 0.3", "other α = 0", "other α = 0.3", str(rival)}
    chosen = next(each for each in found["candidates"] if each["chosen"])
    assert found["baseline"] == str(rival) and chosen["confirming"] and chosen["drift_from_sft"] > 0.01


def test_a_head_that_is_not_read_anew_is_found(sft, prompts, work, tmp_path):
    """vLLM on CPUs goes on with its old head where that is the embedding, whatever it is told to read."""
    aligned = variant(work / "tied", sft, step)
    with vllm(aligned, work, "--dtype", "float32") as running:
        done = expo("generate", running.word, prompts[1], "-o", tmp_path / "out.jsonl", *LENGTH, "--sft", sft, "--alpha", 1,
                    "--staging-dir", tmp_path / "stage", check=False)
        assert done.returncode == 3 and "it goes on with the head that it began with" in done.stderr
        assert not (tmp_path / "out.jsonl").exists() and not list((tmp_path / "stage").glob("expo-staged-*"))
        # It has been moved back to α = 0, whose head is the one that it began with.
        after = answers(running.word, prompts[1], tmp_path / "after.jsonl")
    here = answers(aligned, prompts[1], tmp_path / "here.jsonl", "--dtype", "f32")
    assert_greedy_answers_agree(Reference(aligned), prompts[0], here, after)
