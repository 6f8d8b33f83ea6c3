"""`expo generate` over the real llama-server, whose α is the scale of a LoRA adapter, against the embedded engine with
the extrapolated weights, and transformers."""

import json
import urllib.request

import pytest
from checkpoints import expo
from small_models import read_rows

from draws import assert_drawn_as_documented
from real_server import llama_server
from reference import Reference, assert_greedy_answers_agree

LENGTH = ["--max-new-tokens", 48]
ALPHAS = [-1, 0, 0.3, 1]
PROBES = 256  # tokens


@pytest.fixture(scope="module")
def server(sft_gguf, adapter_gguf, work):
    with llama_server(sft_gguf, work, "--lora", adapter_gguf) as running:
        yield running


@pytest.fixture(scope="module")
def reference(sft, adapter):
    return Reference(sft, adapter)


def answers(model, data, out, *options):
    expo("generate", model, data, "-o", out, *LENGTH, *options)
    return [row["messages"][-1]["content"] for row in read_rows(out)]


@pytest.fixture(scope="module")
def embedded(sft, adapter, prompts, work):
    """The embedded engine's answers in float32 at each α, and their files."""
    result = {}
    for alpha in ALPHAS:
        out = work / f"embedded_{alpha}.jsonl"
        options = ["--sft", sft, f"--alpha={alpha}", "--dtype", "f32"]
        result[alpha] = answers(f"{sft}+{adapter}", prompts[1], out, *options), out
    return result


def served_log_probs(server, reference, prompt, answer, alpha):
    """Of each of the answer's tokens. llama-server tells only those of tokens that it writes, so each is forced on it after
    what stands before it, by a bias that its log-probabilities leave out. Only the first request reads everything anew."""
    before, after, values = reference.prompt_ids(prompt), reference.answer_ids(answer), []
    for place, token in enumerate(after):
        body = {"prompt": before + after[:place], "n_predict": 1, "n_probs": 1, "logit_bias": [[token, 1000]],
                "temperature": 0, "lora": [{"id": 0, "scale": 1 + alpha}], "cache_prompt": place > 0, "id_slot": 0}
        request = urllib.request.Request(server.url + "/completion", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as reply:
            written, = json.load(reply)["completion_probabilities"]
        assert written["id"] == token
        values.append(written["logprob"])
    return values


@pytest.fixture(scope="module")
def probes(embedded, prompts):
    """Prompts and answers with as many tokens as prove a change: those at α = 0."""
    return list(zip(prompts[0], embedded[0][0]))


@pytest.fixture(scope="module")
def probed(server, reference, probes):
    def ask(alpha):
        return [value for prompt, answer in probes
                for value in served_log_probs(server, reference, prompt, answer, alpha)]
    return {"twice": ask(0), **{alpha: ask(alpha) for alpha in (1, 0.3, -1, 0)}}


@pytest.mark.parametrize("alpha", ALPHAS)
def test_greedy_answers_are_those_of_the_extrapolated_weights(server, reference, prompts, embedded, alpha, tmp_path):
    served = answers(server.word, prompts[1], tmp_path / "out.jsonl", f"--alpha={alpha}")
    reference.move_to(alpha)
    assert_greedy_answers_agree(reference, prompts[0], embedded[alpha][0], served)


def test_answers_differ_between_alphas(embedded):
    """Those of 0 and 0.3 may be the same, as far as they go; their log-probabilities are not."""
    assert len({tuple(embedded[alpha][0]) for alpha in (-1, 0, 1)}) == 3


def test_the_sft_model_is_at_minus_one(server, sft, prompts, tmp_path):
    served = answers(server.word, prompts[1], tmp_path / "served.jsonl", "--alpha=-1")
    alone = answers(sft, prompts[1], tmp_path / "sft.jsonl", "--dtype", "f32")
    assert_greedy_answers_agree(Reference(sft), prompts[0], alone, served)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_log_probabilities_are_those_of_the_extrapolated_weights(reference, probes, probed, sft, adapter, embedded, alpha,
                                                                 tmp_path):
    reference.move_to(alpha)
    expected = [value for prompt, answer in probes for value in reference.token_log_probs(prompt, answer)]
    assert probed[alpha] == pytest.approx(expected, abs=1e-3)
    expo("score", f"{sft}+{adapter}", embedded[0][1], "-o", tmp_path / "out.jsonl", "--log-probs", "--sft", sft,
         f"--alpha={alpha}", "--dtype", "f32")
    begin = 0
    for row, (_, answer) in zip(read_rows(tmp_path / "out.jsonl"), probes, strict=True):
        end = begin + len(reference.answer_ids(answer))
        assert row["log_prob"] == pytest.approx(sum(probed[alpha][begin:end]), abs=1e-3 * (end - begin))
        begin = end


def test_a_change_of_alpha_is_seen_and_its_return_too(probed):
    def moved(one, other):
        return max(abs(a - b) for a, b in zip(one, other, strict=True))
    noise = moved(probed["twice"], probed[0])
    assert len(probed[0]) >= PROBES
    for alpha in (-1, 0.3, 1):
        assert moved(probed[alpha], probed[0]) > max(10 * noise, 1e-2)
    assert noise < 1e-3, "α = 0 was asked again after the others"


def test_the_repetition_penalty_means_the_same(server, sft, adapter, prompts, embedded, tmp_path):
    option = ["--repetition-penalty", 1.3, "--alpha=0"]
    served = answers(server.word, prompts[1], tmp_path / "served.jsonl", *option)
    here = answers(f"{sft}+{adapter}", prompts[1], tmp_path / "embedded.jsonl", "--sft", sft, "--dtype", "f32", *option)
    assert served != embedded[0][0]
    assert sum(one == other for one, other in zip(served, here)) >= len(served) - 1, "one may part at a tie"


def test_tokens_are_drawn_as_documented(server, reference, tmp_path):
    reference.move_to(0)
    assert_drawn_as_documented(server.word, reference, tmp_path)


def test_the_same_by_the_dialect_of_openai(sft_gguf, adapter_gguf, reference, prompts, embedded, work, tmp_path):
    """On a server of its own: llama-server reuses what it has read of a prompt at another scale of its adapter, and this
    dialect has no word against it."""
    with llama_server(sft_gguf, work, "--lora", adapter_gguf) as server:
        served = answers(f"openai={server.url}", prompts[1], tmp_path / "out.jsonl")
    reference.move_to(0)
    assert_greedy_answers_agree(reference, prompts[0], embedded[0][0], served)


def test_a_seed_draws_the_same_answers_again(server, prompts, tmp_path):
    draw = ["--temperature", 1, "--n", 2, "--limit", 3]
    first = answers(server.word, prompts[1], tmp_path / "first.jsonl", *draw)
    assert answers(server.word, prompts[1], tmp_path / "second.jsonl", *draw, "--batch-size", 1) == first
    assert first[::2] != first[1::2]


def test_stop_words_end_answers(server, prompts, embedded, tmp_path):
    served = answers(server.word, prompts[1], tmp_path / "out.jsonl", "--stop", " is")
    assert served == [text.split(" is")[0] for text in embedded[0][0]]
