"""`expo search` with several ALIGNED checkpoints, and the drift of what it compared, on small models."""

import json
import sys

import numpy as np
import pytest

from checkpoints import assert_same_bits, expo, load
from small_models import model, needs_engine, pair, prompts, read_rows, write_rows

pytestmark = needs_engine
SEED = 20240604
SAMPLING = ["--temperature", "0.7", "--top-k", "40", "--top-p", "0.9", "--presence-penalty", "0.1", "--frequency-penalty",
            "0.1", "--max-new-tokens", "12", "--threads", "1"]

# The share of an answer's words whose number is even.
SCORER = """
import json, sys
for line in sys.stdin:
    words = json.loads(line)["answer"].split()
    even = sum(int(word[1:]) % 2 == 0 for word in words if word[1:].isdigit())
    print(even / max(1, len(words)), flush=True)
"""


def score(answer):
    words = answer.split()
    return sum(int(word[1:]) % 2 == 0 for word in words if word[1:].isdigit()) / max(1, len(words))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    sft, aligned = pair(folder)
    rng = np.random.default_rng(SEED)
    other = model(folder / "other", change=lambda tensors: {
        key: (value + rng.standard_normal(value.shape).astype(value.dtype) * 0.03).astype(value.dtype)
        for key, value in tensors.items()})
    (folder / "scorer.py").write_text(SCORER)
    texts = sorted(set(prompts(np.random.default_rng(SEED), 60, shortest=3)))
    data = write_rows(folder / "dev.jsonl", [{"id": f"p{i}", "prompt": text} for i, text in enumerate(texts)])
    return {"sft": sft, "aligned": aligned, "other": other, "data": data, "known": {},
            "scorer": f"{sys.executable} {folder / 'scorer.py'}"}


def search(models, run, *options, **keywords):
    return expo("search", models["sft"], models["aligned"], models["data"], "-o", run, "--scorer", models["scorer"],
                "--max-new-tokens", "12", "--threads", "1", *options, **keywords)


def confirming(texts):
    """The prompts that confirm, by the split's own words: a hash of the text, in the upper half."""
    xxhash = pytest.importorskip("xxhash")
    return [text for text in texts if (xxhash.xxh3_64_intdigest(text.encode()) >> 11) / 2**53 >= 0.5]


def mean_score(models, aligned, alpha, texts):
    """The mean score of answers that `expo generate` makes."""
    known = models["known"]
    if (str(aligned), alpha) not in known:
        done = expo("generate", aligned, models["data"], "--sft", models["sft"], "--alpha", alpha, *SAMPLING)
        known[str(aligned), alpha] = {row["prompt"]: score(row["messages"][-1]["content"])
                                      for row in map(json.loads, done.stdout.splitlines())}
    return np.mean([known[str(aligned), alpha][text] for text in texts])


def test_each_checkpoint_competes_with_alphas_of_its_own(tmp_path, models):
    run, out = tmp_path / "run", tmp_path / "out"
    done = search(models, run, "--also", models["other"], "--alphas", "1,4", "--write", out)
    result = json.loads((run / "search.json").read_text())
    assert [row["label"] for row in result["candidates"]] == [
        "α = -1", "aligned α = 0", "aligned α = 1", "aligned α = 4", "other α = 0", "other α = 1", "other α = 4"]
    names = {"aligned": str(models["aligned"]), "other": str(models["other"])}
    texts = [row["prompt"] for row in read_rows(models["data"])]
    apart = confirming(texts)
    for row in result["candidates"]:
        assert row["model"] == (names[row["label"].split()[0]] if row["alpha"] >= 0 else names["aligned"])
        for part, some in (("choosing", [text for text in texts if text not in set(apart)]), ("confirming", apart)):
            if row[part]:
                assert row[part]["mean"] == pytest.approx(mean_score(models, row["model"], row["alpha"], some), abs=1e-9)
    for row in result["candidates"]:
        assert row["effective_alpha"] == pytest.approx(row["alpha"], abs=1e-3)  # float32 keeps each α
        assert row["lost"] is None if row["alpha"] == 0 else row["lost"] < 0.01
    best = max(result["candidates"], key=lambda row: row["choosing"]["mean"] if row["choosing"] and row["alpha"] >= 0 else -1)
    assert best["best"] and best["chosen"]
    assert result["baseline"] == "aligned α = 0"
    won = next(row for row in result["candidates"] if row["recommended"])
    assert (result["alpha"], result["model"]) == (won["alpha"], won["model"])
    assert best["label"] in done.stdout
    if result["alpha"] > 0:
        assert f"expo extrapolate {models['sft']} {result['model']} -o OUT --alpha" in done.stdout
        expo("extrapolate", models["sft"], result["model"], "-o", tmp_path / "own", "--alpha", result["alpha"],
             "--out-dtype", result["setting"]["dtype"], "--rounding", result["setting"]["rounding"])
        written = load(out)
        for name, values in load(tmp_path / "own").items():
            assert_same_bits(written[name], values, name)
    assert {entry["label"] for entry in read_rows(run / "trace.jsonl")[0]["candidates"]} >= {"aligned α = 1", "other α = 1"}
    again = search(models, run, "--also", models["other"], "--alphas", "1,4")
    assert "finished already" in again.stderr
    refused = search(models, run, "--alphas", "1,4", check=False)
    assert refused.returncode == 2 and "also" in refused.stderr, refused.stderr


def test_a_competitor_can_be_the_baseline_and_is_answered_once(tmp_path, models):
    run = tmp_path / "run"
    done = search(models, run, "--also", models["other"], "--alphas", "2", "--baseline", models["other"])
    result = json.loads((run / "search.json").read_text())
    assert result["baseline"] == "other α = 0"
    assert [row["label"] for row in result["candidates"]].count("other α = 0") == 1
    chosen = next(row for row in result["candidates"] if row["chosen"])
    if chosen["label"] != "other α = 0":
        apart = confirming([row["prompt"] for row in read_rows(models["data"])])
        gain = (mean_score(models, chosen["model"], chosen["alpha"], apart) -
                mean_score(models, models["other"], 0, apart))
        assert result["gain"] == pytest.approx(gain, abs=1e-9)
        assert f"{chosen['label']} against other α = 0: {result['gain']:+.4f}" in done.stdout
    answered = [(row["candidate"], row["prompt"]) for row in read_rows(run / "answers.jsonl") if "text" in row]
    assert len(answered) == len(set(answered))


def test_the_race_and_pairs_take_several_checkpoints(tmp_path, models):
    result = json.loads(search(models, tmp_path / "race", "--also", models["other"], "--token-budget", "9000",
                               "--json").stdout)
    assert {row["model"] for row in result["candidates"]} == {str(models["aligned"]), str(models["other"])}
    assert result["tokens"] <= 9500
    for row in result["candidates"]:  # Those that joined later are measured, too.
        assert row["effective_alpha"] == pytest.approx(row["alpha"], abs=1e-3)
    texts = prompts(np.random.default_rng(SEED + 1), 120, shortest=4)
    pairs = write_rows(tmp_path / "pairs.jsonl", [{"prompt": texts[i], "chosen": texts[i + 40], "rejected": texts[i + 80]}
                                                  for i in range(40)])
    done = expo("search", models["sft"], models["aligned"], "--also", models["other"], "--pairs", pairs, "--alphas", "2",
                "-o", tmp_path / "pairs", "--json", "--threads", "1")
    result = json.loads(done.stdout)
    assert [row["label"] for row in result["candidates"]][-1] == "other α = 2"
    assert all(row["drift_from_sft"] is None for row in result["candidates"])


def test_names_that_mean_nothing_are_refused(tmp_path, models):
    for again, said in ((models["aligned"], "named twice"), (models["sft"], "is SFT itself"),
                        (tmp_path / "none", str(tmp_path / "none"))):
        done = search(models, tmp_path / "run", "--also", again, "--alphas", "1", check=False)
        assert done.returncode in (2, 3) and said in done.stderr, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_prompts_of_the_training_data_are_counted(tmp_path, models):
    asked = [row["prompt"] for row in read_rows(models["data"])]
    answers = prompts(np.random.default_rng(SEED + 2), 40, shortest=4)
    rows = [{"prompt": text, "chosen": answers[2 * i], "rejected": answers[2 * i + 1]}
            for i, text in enumerate([*asked[10:13], *prompts(np.random.default_rng(SEED + 3), 13, shortest=21, longest=25)])]
    pairs = write_rows(tmp_path / "pairs.jsonl", rows)
    expo("train", "dpo", "--model-name-or-path", models["sft"], "--dataset-name", pairs, "--output-dir", tmp_path / "trained",
         "--per-device-train-batch-size", "8", "--gradient-accumulation-steps", "1", "--learning-rate", "1e-3", "--threads", "1")
    record = json.loads((tmp_path / "trained" / "run.json").read_text())["data"]["file"]
    assert record == {"path": str(pairs.resolve()), "size": pairs.stat().st_size, "modified_ns": pairs.stat().st_mtime_ns}
    trained = models | {"aligned": tmp_path / "trained" / "final"}
    done = search(trained, tmp_path / "run", "--alphas", "1")
    said = f"3 of {len(asked)} prompts stand in the data that {trained['aligned']} was trained on (pairs.jsonl)"
    assert said in done.stderr and "dev.jsonl:11" in done.stderr and "pairs.jsonl:1" in done.stderr
    assert any(said in warning for warning in json.loads((tmp_path / "run" / "search.json").read_text())["warnings"])


def mean_log_ratios(rows, own, others, render):
    """Means over all tokens of log π_own − log π_other, by transformers."""
    import torch
    sums, tokens = np.zeros(len(others)), 0
    for prompt, answer in rows:
        prefix, whole = render(prompt, None), render(prompt, answer)
        ids = torch.tensor([whole])

        def log_prob(weights):
            with torch.no_grad():
                logits = weights(ids).logits[0].double().log_softmax(-1)
            return sum(logits[i - 1, whole[i]].item() for i in range(len(prefix), len(whole)))

        mine = log_prob(own)
        sums += [mine - log_prob(other) for other in others]
        tokens += len(whole) - len(prefix)
    return sums / tokens


def test_drift_is_the_mean_log_ratio_by_transformers(tmp_path, models):
    transformers = pytest.importorskip("transformers")
    run = tmp_path / "run"
    done = search(models, run, "--alphas", "3")
    result = json.loads((run / "search.json").read_text())
    rows = {row["alpha"]: row for row in result["candidates"]}
    answers = {}
    for row in read_rows(run / "answers.jsonl"):
        if "text" in row:
            answers[row["candidate"], row["prompt"]] = row["text"]
    prompt_of = {row["id"]: row["prompt"] for row in read_rows(models["data"])}
    apart = set(confirming(prompt_of.values()))
    expo("extrapolate", models["sft"], models["aligned"], "-o", tmp_path / "three", "--alpha", "3", "--out-dtype", "f32")
    weights = {alpha: transformers.AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval()
               for alpha, folder in ((-1, models["sft"]), (0, models["aligned"]), (3, tmp_path / "three"))}
    words = {f"w{number}": number for number in range(3, 96)}

    def render(prompt, answer):
        text = f"w3 {prompt} w4 " + (answer or "")
        return [words.get(word, 0) for word in text.split()]

    compared = [alpha for alpha, row in rows.items() if row["confirming"]]
    assert -1 in compared and 0 in compared
    for alpha in compared:
        own = [(prompt_of[name], text) for (label, name), text in answers.items()
               if label == f"α = {alpha:g}" and prompt_of[name] in apart]
        from_aligned, from_sft = mean_log_ratios(own, weights[alpha], [weights[0], weights[-1]], render)
        assert rows[alpha]["drift_from_aligned"] == pytest.approx(from_aligned, abs=1e-4)
        assert rows[alpha]["drift_from_sft"] == pytest.approx(from_sft, abs=1e-4)
    assert rows[-1]["drift_from_sft"] == 0 and rows[0]["drift_from_aligned"] == 0
    assert all(row["drift_from_sft"] is None for alpha, row in rows.items() if alpha not in compared)
    said = f"{rows[0]['drift_from_sft']:.4f} ± {rows[0]['drift_from_sft_error']:.4f}"
    assert f"drift, nats a token: α = 0 {said} from SFT" in done.stdout
