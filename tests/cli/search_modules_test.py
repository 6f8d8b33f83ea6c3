"""`expo search --modules` end to end on a small model: what it tests in which order, writes, and does after an
interruption."""

import json
import shutil
import sys

import numpy as np
import pytest

from checkpoints import assert_same_bits, expo, load, save
from search_test import confirming
from small_models import needs_engine, pair, prompts, read_rows, write_rows

pytestmark = needs_engine
NEW = ["--max-new-tokens", "8", "--threads", "1", "--temperature", "0"]

# Whether no word of an answer stands where ALIGNED's own answer has it: every α above 0 gains, a larger one more.
SCORER = """
import json, sys
for line in sys.stdin:
    row = json.loads(line)
    words, own = row["answer"].split(), row["own"].split()
    print(0 if any(a == b for a, b in zip(words, own)) else 1, flush=True)
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    sft, aligned = pair(folder)
    (folder / "scorer.py").write_text(SCORER)
    texts = sorted(set(prompts(np.random.default_rng(3), 160, shortest=3)))
    data = write_rows(folder / "plain.jsonl", [{"id": f"p{i}", "prompt": text} for i, text in enumerate(texts)])
    expo("generate", aligned, data, "-o", folder / "own.jsonl", *NEW, "--dtype", "float32")
    own = {row["prompt_id"]: row["messages"][-1]["content"] for row in read_rows(folder / "own.jsonl")}
    rows = [{**row, "own": own[row["id"]]} for row in read_rows(data)]
    return {"sft": sft, "aligned": aligned, "data": write_rows(folder / "dev.jsonl", rows),
            "scorer": f"{sys.executable} {folder / 'scorer.py'}"}


def command(models, run, *options):
    return ["search", models["sft"], models["aligned"], models["data"], "-o", run, "--scorer", models["scorer"], *NEW,
            "--alphas", "0.5,1.5", "--modules", *options]


def search(models, run, *options, **keywords):
    return expo(*command(models, run, *options), **keywords)


def alpha_of(name, parameters, layers):
    """The effective α of a tensor, as the docs define it."""
    words = name.split(".")
    numbers = [int(word) for word in words if word.isdigit()]
    if numbers:
        depth = numbers[0] / (layers - 1)
    else:
        depth = 0 if "embed" in name else 1
    kind = "rest" if "norm" in name else "attention" if "attn" in name else "mlp" if "mlp" in name else "rest"
    return parameters["alpha"] * parameters[kind] * (1 + parameters["slope"] * (depth - 0.5))


def test_what_is_recommended_is_written_and_is_the_recipe(tmp_path, models):
    run, out = tmp_path / "run", tmp_path / "out"
    done = search(models, run, "--write", out)
    result = json.loads((run / "search.json").read_text())
    assert result["verdict"] == "gain", result["confirmation"]
    modules = result["modules"]
    assert modules["verdict"] in ("gain", "no-worthwhile-gain", "undecided")
    assert len(modules["points"]) >= 8
    assert "look" in done.stderr and "attention" in done.stderr
    parameters = {"alpha": result["alpha"], "attention": 1, "mlp": 1, "rest": 1, "slope": 0}
    if modules["verdict"] == "gain":
        parameters = modules["parameters"]
        assert modules["p"] <= 0.05
    expo("extrapolate", "--recipe", run / "recipe.yaml", "-o", tmp_path / "by_recipe")
    written, again = load(out), load(tmp_path / "by_recipe")
    sft, aligned = load(models["sft"]), load(models["aligned"])
    layers = 1 + max(int(word) for name in aligned for word in name.split(".") if word.isdigit())
    for name, values in written.items():
        assert_same_bits(again[name], values, name)
        alpha = alpha_of(name, parameters, layers)
        theta = aligned[name].astype(np.float64)
        expected = theta + alpha * (theta - sft[name].astype(np.float64))
        np.testing.assert_allclose(values.astype(np.float64), expected, rtol=1e-5, atol=1e-6, err_msg=name)


BRIEF = """
import json, sys
for line in sys.stdin:
    print(-len(json.loads(line)["answer"]), flush=True)
"""


def in_order_of_the_split(texts):
    """In the order in which prompts are asked, by the split's own words: a hash of the text with the seed 1."""
    return sorted(texts, key=lambda text: pytest.importorskip("xxhash").xxh3_64_intdigest(text.encode(), 1))


def log_probs(checkpoint, pairs, folder):
    """The log-probability of each answer by a checkpoint, summed over all of them."""
    data = write_rows(folder / "answers.jsonl", [{"prompt": prompt, "answer": answer} for prompt, answer in pairs])
    done = expo("score", checkpoint, data, "--log-probs", "--threads", "1", "--dtype", "float32")
    return sum(json.loads(line)["log_prob"] for line in done.stdout.splitlines())


def test_drift_and_further_objectives_of_the_point_are_shown(tmp_path, models):
    (tmp_path / "brief.py").write_text(BRIEF)
    run = tmp_path / "run"
    done = search(models, run, "--second-scorer", f"brief={sys.executable} {tmp_path / 'brief.py'}")
    result = json.loads((run / "search.json").read_text())
    modules = result["modules"]
    assert modules["confirming"], modules["verdict"]  # a point was compared
    prompt_of = {row["id"]: row["prompt"] for row in read_rows(models["data"])}
    apart = set(confirming(prompt_of.values()))
    answers = {}
    for row in read_rows(run / "answers.jsonl"):
        if "text" in row and prompt_of[row["prompt"]] in apart:
            answers.setdefault(row["candidate"], {})[prompt_of[row["prompt"]]] = row["text"]
    label = next(label for label in answers if "attention" in label)
    own, uniform = answers[label], answers[f"α = {result['chosen']:g}"]
    assert set(own) == set(uniform) == apart
    brief = np.array([len(uniform[prompt]) - len(own[prompt]) for prompt in own])
    shown = modules["shown"]["brief"]
    assert shown["prompts"] == len(apart)
    assert shown["difference"] == pytest.approx(brief.mean(), abs=1e-9)
    assert shown["standard_error"] == pytest.approx(brief.std(ddof=1) / np.sqrt(len(brief)), abs=1e-9)
    assert modules["confirming"]["scores"]["brief"]["mean"] == pytest.approx(-np.mean([len(text) for text in own.values()]))
    assert f"brief, shown and not tested: {brief.mean():+.4f}" in done.stdout

    sft, aligned = load(models["sft"]), load(models["aligned"])
    layers = 1 + max(int(word) for name in aligned for word in name.split(".") if word.isdigit())
    moved = {name: (values + alpha_of(name, modules["parameters"], layers) * (values.astype(np.float64) - sft[name]))
             .astype(np.float32) for name, values in aligned.items()}
    point = tmp_path / "point"
    shutil.copytree(models["aligned"], point)
    for path in point.glob("*.safetensors"):
        path.unlink()
    save(point / "model.safetensors", moved)
    # Drift is measured on the first 64 answers that say something, in the order in which prompts are asked.
    pairs = [(prompt, own[prompt]) for prompt in in_order_of_the_split(apart) if own[prompt]][:64]
    tokens = sum(len(text.split()) for _, text in pairs)
    mine = log_probs(point, pairs, tmp_path)
    for key, other in (("drift_from_aligned", models["aligned"]), ("drift_from_sft", models["sft"])):
        assert modules[key] == pytest.approx((mine - log_probs(other, pairs, tmp_path)) / tokens, abs=1e-4), key
    said = [f"{modules[key]:.4f} ± {modules[key + '_error']:.4f}" for key in ("drift_from_sft", "drift_from_aligned")]
    assert f"by modules {said[0]} from SFT and {said[1]} from α = 0" in done.stdout
    row = next(line for line in done.stdout.splitlines() if line.lstrip().startswith("by modules"))
    assert f"{modules['confirming']['mean']:.4f}" in row and row.endswith("an α for each kind of module")


def test_the_checkpoint_is_named_where_several_compete(tmp_path, models):
    expo("extrapolate", models["sft"], models["aligned"], "-o", tmp_path / "half" / "final", "--alpha", "-0.5", "--out-dtype", "f32")
    done = search(models, tmp_path / "run", "--also", tmp_path / "half" / "final")
    result = json.loads((tmp_path / "run" / "search.json").read_text())
    label = next(row["label"] for row in result["candidates"] if row["chosen"])
    assert not label.startswith("α") and result["modules"]["confirming"], result["modules"]["verdict"]
    assert f"\n{label} with attention × " in done.stdout and f", against {label} for all: " in done.stdout


def test_an_interrupted_search_ends_alike(tmp_path, models):
    whole, half = tmp_path / "whole", tmp_path / "half"
    search(models, whole)
    half.mkdir()
    (half / "run.json").write_bytes((whole / "run.json").read_bytes())
    answers = (whole / "answers.jsonl").read_bytes()
    (half / "answers.jsonl").write_bytes(answers[: len(answers) * 2 // 3])
    search(models, half)
    for name in ("search.json", "recipe.yaml", "trace.jsonl"):
        assert (half / name).read_bytes() == (whole / name).read_bytes(), name


def test_nothing_is_asked_of_modules_before_the_first_test_holds(tmp_path, models):
    run = tmp_path / "run"
    rows = [{**row, "own": "none of these words"} for row in read_rows(models["data"])]
    data = write_rows(tmp_path / "dev.jsonl", rows)
    done = search({**models, "data": data}, run)
    result = json.loads((run / "search.json").read_text())
    assert result["verdict"] != "gain"
    assert result["modules"]["verdict"] == "not-tested" and result["modules"]["reason"]
    assert result["modules"]["points"] == []
    assert "no α for each kind of module: " in done.stdout
