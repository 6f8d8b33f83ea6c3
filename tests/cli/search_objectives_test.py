"""Further objectives of `expo search`: they are shown beside the one that decides, and may be guarded."""

import json
import sys

import numpy as np
import pytest

from checkpoints import expo
from search_test import NEW, confirming, models, search  # noqa: F401: models is a fixture
from small_models import model, needs_engine, read_rows

pytestmark = needs_engine

BRIEF = """
import json, sys
for line in sys.stdin:
    row = json.loads(line)
    print(-len(row["answer"]) / 100 - row["bonus"], flush=True)
"""


@pytest.fixture
def brief(tmp_path):
    (tmp_path / "brief.py").write_text(BRIEF)
    return f"brief={sys.executable} {tmp_path / 'brief.py'}"


def repetition(answer):
    words = answer.split()
    grams = [tuple(words[i:i + 4]) for i in range(len(words) - 3)]
    return 1 - len(set(grams)) / len(grams) if grams else 0


def kept_answers(run):
    """The answers of a search by label, prompt and sample."""
    return {(row["candidate"], row["prompt"], row["sample"]): row["text"]
            for row in read_rows(run / "answers.jsonl") if "text" in row}


def test_a_further_objective_is_shown_with_its_differences(tmp_path, models, brief):
    run = tmp_path / "run"
    reward = model(tmp_path / "reward", "llama_reward")
    options = ["--alphas", "0.5,3", "--n", "2", "--second-scorer", brief, "--second-reward-model", f"kind={reward}",
               "--second-implicit"]
    done = search(models, run, *options)
    result = json.loads((run / "search.json").read_text())
    rows = read_rows(models["data"])
    apart = set(confirming([row["prompt"] for row in rows]))
    answers = kept_answers(run)
    per_prompt = {}
    for row in result["candidates"]:
        for part, inside in (("choosing", lambda text: text not in apart), ("confirming", lambda text: text in apart)):
            if not row[part] or (part == "choosing" and row["alpha"] == -1):
                continue
            texts = [[answers[row["label"], each["id"], sample] for sample in range(2)]
                     for each in rows if inside(each["prompt"])]
            bonus = [each["bonus"] for each in rows if inside(each["prompt"])]
            scores = np.array([np.mean([-len(text) / 100 - extra for text in pair]) for pair, extra in zip(texts, bonus)])
            assert set(row[part]["scores"]) == {"brief", "kind", "implicit"}
            assert row[part]["scores"]["brief"]["mean"] == pytest.approx(scores.mean(), abs=1e-9)
            assert row[part]["scores"]["brief"]["standard_error"] == pytest.approx(
                scores.std(ddof=1) / np.sqrt(len(scores)), abs=1e-9)
            assert row[part]["repetition"] == pytest.approx(
                np.mean([repetition(text) for pair in texts for text in pair]), abs=1e-9)
            if part == "confirming":
                per_prompt[row["alpha"]] = scores
    if result["chosen"] != 0:
        difference = per_prompt[result["chosen"]] - per_prompt[0]
        assert result["shown"]["brief"]["difference"] == pytest.approx(difference.mean(), abs=1e-9)
        assert result["shown"]["brief"]["standard_error"] == pytest.approx(
            difference.std(ddof=1) / np.sqrt(len(difference)), abs=1e-9)
        assert "brief, shown and not tested: " in done.stdout
    assert result["second"]["kind"] == f"reward model {reward}"
    for row in read_rows(run / "samples.jsonl"):
        extra = next(each["bonus"] for each in rows if each["id"] == row["prompt_id"])
        for answer in row["answers"]:
            assert answer["scores"]["brief"] == pytest.approx(-len(answer["answer"]) / 100 - extra, abs=1e-9)
            assert set(answer["scores"]) == {"brief", "kind", "implicit"}
    without = search(models, run, *options[:4], check=False)
    assert without.returncode == 2 and "other settings" in without.stderr


def test_a_guard_on_a_further_objective_rules_out_what_it_forbids(tmp_path, models, brief):
    """No α may be chosen if all must gain what answers of any length cannot."""
    base = ["--alphas", "0.5,3", "--json", "--second-scorer", brief]
    free = json.loads(search(models, tmp_path / "free", *base).stdout)
    means = {row["alpha"]: row["choosing"] for row in free["candidates"] if row["choosing"]}
    falls = {alpha: part["scores"]["brief"]["mean"] - means[0]["scores"]["brief"]["mean"] for alpha, part in means.items()}
    worst = min((alpha for alpha in falls if alpha > 0), key=falls.get)
    other = next(alpha for alpha in (0.5, 3) if alpha != worst)
    if falls[worst] < 0 and falls[worst] < falls[other]:
        limit = max(falls[worst] / 2, (falls[worst] + min(0, falls[other])) / 2)
        guarded = json.loads(search(models, tmp_path / "guarded", *base, "--guard", f"brief>={limit:.9f}").stdout)
        eligible = {row["alpha"]: row["eligible"] for row in guarded["candidates"]}
        assert not eligible[worst] and guarded["chosen"] != worst
        assert eligible[other] == (falls[other] >= limit)


@pytest.mark.parametrize("options, said", [
    (["--second-scorer", "python brief.py"], "expected NAME=COMMAND"),
    (["--second-scorer", "python brief.py --strict=1"], "expected NAME=COMMAND"),
    (["--second-reward-model", "kind="], "expected NAME=MODEL"),
    (["--second-scorer", "length=python length.py"], "the name 'length' stands for something else"),
    (["--second-scorer", "a=b", "--second-reward-model", "a=c"], "have the name 'a'"),
    (["--second-scorer", "brief=b", "--guard", "kindness>=-0.1"],
     "expected length, truncated, brief, repetition or distinct_2"),
])
def test_bad_objectives_get_a_sentence(tmp_path, models, options, said):
    done = search(models, tmp_path / "run", *options, check=False)
    assert done.returncode == 2 and said in done.stderr, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_decides_already_is_not_shown_again_and_pairs_have_no_answers(tmp_path, models):
    base = ["search", models["sft"], models["aligned"], "-o", tmp_path / "run"]
    done = expo(*base, models["data"], "--objective", "implicit", "--second-implicit", *NEW, check=False)
    assert done.returncode == 2 and "decides already" in done.stderr
    done = expo(*base, "--pairs", models["data"], "--second-scorer", "a=b", check=False)
    assert done.returncode == 2 and "writes no answers" in done.stderr
    assert list(tmp_path.iterdir()) == []
