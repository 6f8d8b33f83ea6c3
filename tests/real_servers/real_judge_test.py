"""The judge of `expo evaluate alpaca` on the real vLLM and llama-server: what it prefers is what transformers computes
for what they were shown."""

import json

import pytest
import torch
from checkpoints import expo

from forwarding import Forwarding
from real_server import llama_server, vllm
from reference import Reference

SERVED = "small"
WEIGHED = 5  # tokens
PAIRS = [("What is the capital of France?", "Paris.", "The capital of France is Paris, on the river Seine."),
         ("Name two colours.", "Red and blue.", "I like dogs."),
         ("What is 7 times 8?", "56", "7 times 8 is 54, I think."),
         ("Write a title for a book about otters.", "The River's Children", "Otters"),
         ("Ein Satz über Köln, bitte.", "Köln liegt am Rhein.", "Cologne is \"big\"."),
         ("Say nothing.", "", "Nothing."),
         ("Count to three.", "1\n2\n3", "One, two, three {and} so on.")]


@pytest.fixture(scope="module", params=["vllm", "llama-server"])
def server(request, sft, work):
    if request.param == "vllm":
        started = vllm(sft, work, "--dtype", "float32")
    else:
        started = llama_server(request.getfixturevalue("sft_gguf"), work, "--alias", SERVED)
    with started as running:
        yield running


def answers_file(path, generator, column):
    rows = [{"instruction": pair[0], "output": pair[column], "generator": generator} for pair in PAIRS]
    path.write_text(json.dumps(rows))
    return path


def expected_preference(reference, body, baseline, answer):
    """From the probabilities of the two letters as the next token, where they are among the most likely."""
    ids = reference.tokenizer.apply_chat_template(body["messages"], add_generation_prompt=True, return_dict=True)["input_ids"]
    log_probs = reference.log_probs(ids + [0], len(ids))[0]
    likely = log_probs.topk(WEIGHED).indices.tolist()
    letters = [reference.tokenizer(letter, add_special_tokens=False)["input_ids"] for letter in "mM"]
    weights = [torch.exp(log_probs[letter[0]]).item() if letter[0] in likely else 0 for letter in letters]
    first = weights[0] / sum(weights)
    text = body["messages"][-1]["content"]
    places = [text.index(f'"output": """{shown}"""') for shown in (baseline, answer)]
    return 2 - first if places[0] < places[1] else 1 + first


def test_it_prefers_what_transformers_does(server, sft, tmp_path):
    kind = server.word.split("=")[0]
    files = ["--model-outputs", answers_file(tmp_path / "model.json", "model", 2),
             "--reference-outputs", answers_file(tmp_path / "base.json", "base", 1)]
    with Forwarding(server.url) as forwarding:
        done = expo("evaluate", "alpaca", *files, "-o", tmp_path / "annotations.json", "--json", "--judge",
                    f"{kind}={forwarding.url}#{SERVED}", "--allow-missing")
    reference, rows = Reference(sft), json.loads((tmp_path / "annotations.json").read_text())
    judged = 0
    for (instruction, baseline, answer), row in zip(PAIRS, rows, strict=True):
        assert (row["instruction"], row["output_1"], row["output_2"]) == (instruction, baseline, answer)
        body = next(body for body in forwarding.asked["/v1/chat/completions"] if f'"""{instruction}"""' in str(body))
        assert (body["temperature"], body["top_logprobs"]) == (1, WEIGHED + (kind == "vllm"))
        if row["preference"] is None:
            continue
        assert row["preference"] == pytest.approx(expected_preference(reference, body, baseline, answer), abs=1e-3)
        judged += 1
    assert judged >= len(PAIRS) - 2, "a model this small may weigh neither letter"
    figures = json.loads(done.stdout)
    preferences = [row["preference"] for row in rows if row["preference"] is not None]
    assert figures["win_rate"] == pytest.approx(100 * (sum(preferences) / judged - 1), abs=1e-9)
    assert figures["judging"]["failed"] == len(PAIRS) - judged
