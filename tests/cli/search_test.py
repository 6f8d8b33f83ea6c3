"""`expo search` end to end on small models: what it finds and writes, how it resumes, and what it refuses."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from checkpoints import EXPO, assert_same_bits, expo, load
from small_models import model, needs_engine, pair, prompts, read_rows, write_rows

pytestmark = needs_engine
SEED = 20240603
NEW = ["--max-new-tokens", "12", "--threads", "1"]

# The share of an answer's words whose number is even, and a little for the row's own column.
SCORER = """
import json, sys
for line in sys.stdin:
    row = json.loads(line)
    words = row["answer"].split()
    even = sum(int(word[1:]) % 2 == 0 for word in words if word[1:].isdigit())
    print(even / max(1, len(words)) + row["bonus"] / 100, flush=True)
"""


def score(answer, bonus):
    words = answer.split()
    return sum(int(word[1:]) % 2 == 0 for word in words if word[1:].isdigit()) / max(1, len(words)) + bonus / 100


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    sft, aligned = pair(folder)
    (folder / "scorer.py").write_text(SCORER)
    texts = sorted(set(prompts(np.random.default_rng(SEED), 60, shortest=3)))
    data = write_rows(folder / "dev.jsonl", [{"id": f"p{i}", "prompt": text, "bonus": i % 3} for i, text in enumerate(texts)])
    return {"sft": sft, "aligned": aligned, "data": data, "folder": folder,
            "scorer": f"{sys.executable} {folder / 'scorer.py'}"}


def command(models, run, *options, new=NEW):
    return ["search", models["sft"], models["aligned"], models["data"], "-o", run, "--scorer", models["scorer"], *new,
            *options]


def search(models, run, *options, **keywords):
    return expo(*command(models, run, *options), **keywords)


def confirming(texts):
    """The prompts that confirm, by the split's own words: a hash of the text, in the upper half."""
    xxhash = pytest.importorskip("xxhash")
    return [text for text in texts if (xxhash.xxh3_64_intdigest(text.encode()) >> 11) / 2**53 >= 0.5]


def test_the_gain_is_that_of_generated_answers_on_prompts_that_did_not_choose(tmp_path, models):
    run = tmp_path / "run"
    done = search(models, run, "--alphas", "0.5,3", "--n", "2", "--seed", "5")
    result = json.loads((run / "search.json").read_text())
    assert result["schema"] == "expo-search-1"
    assert result["setting"] == {"dtype": "float32", "rounding": "nearest", "rounding_seed": 0}
    chosen = result["chosen"]
    assert chosen in (0, 0.5, 3)
    rows = {row["prompt"]: row for row in read_rows(models["data"])}
    apart = confirming(rows)
    means = {}
    for alpha in (-1, 0, 0.5, 3):
        out = tmp_path / f"{alpha}.jsonl"
        expo("generate", models["aligned"], models["data"], "-o", out, "--sft", models["sft"], "--alpha", alpha, "--n", "2",
             "--seed", "5", "--temperature", "0.7", "--top-k", "40", "--top-p", "0.9", "--presence-penalty", "0.1",
             "--frequency-penalty", "0.1", *NEW)
        means[alpha] = {text: [] for text in rows}
        for row in read_rows(out):
            means[alpha][row["prompt"]].append(score(row["messages"][-1]["content"], rows[row["prompt"]]["bonus"]))
    for row in result["candidates"]:
        known = means[row["alpha"]]
        if row["confirming"]:
            expected = np.array([np.mean(known[text]) for text in apart])
            assert row["confirming"]["prompts"] == len(apart)
            assert row["confirming"]["mean"] == pytest.approx(expected.mean(), abs=1e-9)
            assert row["confirming"]["standard_error"] == pytest.approx(
                expected.std(ddof=1) / np.sqrt(len(apart)), abs=1e-9)
        if row["choosing"]:
            expected = np.mean([np.mean(known[text]) for text in rows if text not in set(apart)])
            assert row["choosing"]["mean"] == pytest.approx(expected, abs=1e-9)
    best = max((0, 0.5, 3), key=lambda alpha: np.mean([np.mean(means[alpha][t]) for t in rows if t not in set(apart)]))
    assert result["best"] == best
    if chosen != 0:
        gain = np.mean([np.mean(means[chosen][t]) - np.mean(means[0][t]) for t in apart])
        assert result["gain"] == pytest.approx(gain, abs=1e-9)
        assert result["interval"][0] <= gain <= result["interval"][1]
    assert "on the confirming part" in done.stdout
    samples = read_rows(run / "samples.jsonl")
    assert {row["messages"][0]["content"] for row in samples} <= set(apart)
    assert [answer["alpha"] for answer in samples[0]["answers"]] == sorted({-1, 0, chosen})
    trace = read_rows(run / "trace.jsonl")
    assert trace[0]["look"] == 1 and trace[-1]["confirmed"] == chosen


@pytest.mark.parametrize("strategy", ["race", "halving", "grid"])
def test_the_race_over_the_whole_grid_keeps_its_budget(tmp_path, models, strategy):
    run = tmp_path / "run"
    result = json.loads(search(models, run, "--json", "--strategy", strategy, "--token-budget", "6000",
                               "--prefer", "smallest", "--guard", "length<=3x").stdout)
    assert result == json.loads((run / "search.json").read_text())
    assert 3000 < result["tokens"] <= 6300
    assert result["tokens"] == sum(row.get("tokens", 0) for row in read_rows(run / "answers.jsonl"))
    assert result["verdict"] in ("gain", "no-worthwhile-gain", "undecided")
    assert [row["alpha"] for row in result["candidates"]][:4] == [-1, 0, 0.1, 0.2]


def test_a_finished_search_says_so_and_another_is_refused(tmp_path, models):
    run = tmp_path / "run"
    first = search(models, run, "--alphas", "1")
    files = {path.name: path.read_bytes() for path in run.iterdir()}
    again = search(models, run, "--alphas", "1")
    assert "finished already" in again.stderr
    assert again.stdout == first.stdout
    for options, difference in ((["--alphas", "1,2"], "search.alphas"), (["--alphas", "1", "--seed", "4"], "seed was 0 and is 4")):
        other = search(models, run, *options, check=False)
        assert other.returncode == 2
        assert difference in other.stderr
    assert {path.name: path.read_bytes() for path in run.iterdir()} == files


def assert_same_search(run, whole):
    for name in ("search.json", "samples.jsonl", "trace.jsonl"):
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name

    def paid(folder):
        return sorted((row["key"], row["limit"]) for row in read_rows(folder / "answers.jsonl") if "text" in row)

    assert paid(run) == paid(whole)
    assert len(set(paid(run))) == len(paid(run))


def test_an_interrupted_search_can_be_resumed(tmp_path, models):
    run = tmp_path / "run"
    process = subprocess.Popen([EXPO, *map(str, command(models, run, "--ignore-eos", new=["--threads", "1"]))],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and len((run / "answers.jsonl").read_text().splitlines()
                                         if (run / "answers.jsonl").exists() else []) < 3:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "the same command goes on" in errors
    assert not (run / "search.json").exists()
    assert len(read_rows(run / "answers.jsonl")) >= 3


def test_what_is_written_is_the_checkpoint_that_won(tmp_path, models):
    run, out = tmp_path / "run", tmp_path / "out"
    # Whatever moves away from ALIGNED wins: the scorer sees no α, so it rewards words that θ_sft does not say.
    result = json.loads(search(models, run, "--alphas", "0.5,1", "--json", "--write", out).stdout)
    if result["alpha"] == 0:
        assert not out.exists()
        assert result["verdict"] == "no-worthwhile-gain"
        return
    expo("extrapolate", models["sft"], models["aligned"], "-o", tmp_path / "own", "--alpha", result["alpha"],
         "--out-dtype", result["setting"]["dtype"], "--rounding", result["setting"]["rounding"])
    again = search(models, run, "--alphas", "0.5,1", "--json", "--write", out)
    assert json.loads(again.stdout) == result
    assert "is left as it is" in again.stderr
    written, own = load(out), load(tmp_path / "own")
    assert set(written) == set(own)
    for name, values in own.items():
        assert_same_bits(written[name], values, name)


def test_float32_serves_all_alphas_where_bfloat16_would_bend_one(tmp_path, models):
    sft, aligned = tmp_path / "sft", tmp_path / "aligned"
    expo("convert", models["sft"], sft, "--out-dtype", "bf16")
    expo("extrapolate", models["sft"], models["aligned"], "-o", aligned, "--alpha", "-0.995", "--out-dtype", "bf16",
         "--rounding", "nearest")
    bent = models | {"sft": sft, "aligned": aligned}
    result = json.loads(search(bent, tmp_path / "auto", "--alphas", "0.5", "--json").stdout)
    assert result["setting"]["dtype"] == "float32" and result["setting"]["rounding"] == "nearest"
    done = search(bent, tmp_path / "bf16", "--alphas", "0.5", "--json", "--dtype", "bf16", "--rounding-seed", "3")
    assert json.loads(done.stdout)["setting"] == {"dtype": "bfloat16", "rounding": "stochastic", "rounding_seed": 3}
    assert "rounded stochastically with seed 3" in done.stderr
    done = search(bent, tmp_path / "nearest", "--alphas", "0.5", "--json", "--dtype", "bf16", "--rounding", "nearest")
    assert json.loads(done.stdout)["setting"]["rounding"] == "nearest"


def test_a_reward_model_scores_as_expo_score_does(tmp_path, models):
    reward = model(tmp_path / "reward", "llama_reward")
    arguments = ["search", models["sft"], models["aligned"], models["data"], "-o", tmp_path / "run", "--reward-model", reward,
                 "--alphas", "1", "--json", *NEW]
    result = json.loads(expo(*arguments).stdout)
    for row in read_rows(tmp_path / "run" / "samples.jsonl")[:3]:
        for answer in row["answers"]:
            data = write_rows(tmp_path / "one.jsonl", [{"messages": [*row["messages"],
                                                                     {"role": "assistant", "content": answer["answer"]}]}])
            scored = json.loads(expo("score", reward, data).stdout)
            assert answer["score"] == pytest.approx(scored["reward"], abs=1e-4)
    assert result["search"]["objective"] == "reward"


def test_the_pair_can_be_its_own_judge(tmp_path, models):
    done = expo("search", models["sft"], models["aligned"], models["data"], "-o", tmp_path / "run", "--objective", "implicit",
                "--alphas", "1", "--json", *NEW)
    result = json.loads(done.stdout)
    assert result["search"]["objective"] == "implicit"
    assert any("proxy" in warning for warning in result["warnings"])


def test_another_model_can_be_the_baseline(tmp_path, models):
    run = tmp_path / "run"
    other = model(tmp_path / "other", "llama", change=lambda tensors: {
        key: (value * 1.05).astype(value.dtype) for key, value in tensors.items()})
    result = json.loads(search(models, run, "--alphas", "1", "--json", "--baseline", other, "--seed", "2").stdout)
    assert result["baseline"] == str(other)
    assert result["alpha"] == result["chosen"]
    rows = {row["prompt"]: row for row in read_rows(models["data"])}
    apart = confirming(rows)
    means = {}
    for name, options in (("chosen", [models["aligned"], "--sft", models["sft"], "--alpha", result["chosen"]]),
                          ("other", [other])):
        done = expo("generate", options[0], models["data"], *options[1:], "--seed", "2", "--temperature", "0.7", "--top-k",
                    "40", "--top-p", "0.9", "--presence-penalty", "0.1", "--frequency-penalty", "0.1", *NEW)
        scores = {row["prompt"]: score(row["messages"][-1]["content"], rows[row["prompt"]]["bonus"])
                  for row in map(json.loads, done.stdout.splitlines())}
        means[name] = np.mean([scores[text] for text in apart])
    assert result["gain"] == pytest.approx(means["chosen"] - means["other"], abs=1e-9)
    assert [row["label"] for row in result["candidates"]].count(str(other)) == 1
    assert [answer["label"] for answer in read_rows(run / "samples.jsonl")[0]["answers"]][-1] == str(other)


def test_preference_pairs_need_no_answers(tmp_path, models):
    texts = prompts(np.random.default_rng(SEED + 1), 120, shortest=4)
    pairs = write_rows(tmp_path / "pairs.jsonl", [{"prompt": texts[i], "chosen": texts[i + 40], "rejected": texts[i + 80]}
                                                  for i in range(40)])
    run = tmp_path / "run"
    base = ["search", models["sft"], models["aligned"], "--alphas", "1,4", "--json", "--threads", "1"]
    result = json.loads(expo(*base, "--pairs", pairs, "-o", run).stdout)
    assert result["search"]["objective"] == "preference"
    assert any("proxy" in warning for warning in result["warnings"])
    rows = {row["prompt"]: row for row in read_rows(pairs)}
    apart = confirming(rows)
    for part in result["candidates"]:
        if not part["confirming"]:
            continue
        data = write_rows(tmp_path / "answers.jsonl", [{"prompt": text, "answer": rows[text][side]}
                                                       for side in ("chosen", "rejected") for text in apart])
        done = expo("score", models["aligned"], data, "--log-probs", "--sft", models["sft"], "--alpha", part["alpha"])
        means = [row["log_prob"] / len(row["answer"].split()) for row in map(json.loads, done.stdout.splitlines())]
        wins = np.array(means[:len(apart)]) > np.array(means[len(apart):])
        assert part["confirming"]["mean"] == pytest.approx(wins.mean())
    assert not (run / "samples.jsonl").exists()
    assert expo(*base, "--pairs", pairs, "-o", run).stdout == (run / "search.json").read_text()
    loss = json.loads(expo(*base, "--pairs", pairs, "--dpo-beta", "0.1", "-o", tmp_path / "loss").stdout)
    assert all(part["choosing"] is None or part["choosing"]["mean"] < 0 for part in loss["candidates"])
    for options, said in ((["--guard", "length<=2x"], "--guard has no effect"), ([models["data"]], "leave DATA out"),
                          (["--dpo-beta", "0"], "--dpo-beta: 0 is not")):
        done = expo(*base, "--pairs", pairs, "-o", tmp_path / "none", *options, check=False)
        assert done.returncode == 2 and said in done.stderr, done.stderr


def doubled(folder, models):
    rows = read_rows(models["data"])
    return write_rows(folder / "doubled.jsonl", [*rows, rows[3] | {"id": "again"}])


def few(folder, models):
    return write_rows(folder / "few.jsonl", read_rows(models["data"])[:7])


def empty(folder, models):
    return write_rows(folder / "empty.jsonl", [*read_rows(models["data"]), {"id": "x", "prompt": "", "bonus": 0}])


@pytest.mark.parametrize("options, code, said", [
    (["--alphas", "0.1,0.3,0.1"], 2, "0.1 stands there twice"),
    (["--alphas", "0.1,much"], 2, "'much' is not an α"),
    (["--alphas", "-0.3"], 2, "'-0.3' is not an α"),
    (["--guard", "kindness<=0.1"], 2, "the measure 'kindness' is not known"),
    (["--strategy", "luck"], 2, "no strategy is named 'luck'"),
    (["--prefer", "largest"], 2, "expected best or smallest"),
    (["--min-gain", "-1"], 2, "--min-gain"),
    (["--objective", "reward"], 2, "--objective reward needs --reward-model"),
    (["--objective", "implicit"], 2, "--objective implicit does not use --scorer"),
    (["--objective", "kindness"], 2, "--objective: 'kindness' is not known"),
    (["--dtype", "f16"], 2, "--dtype"),
])
def test_bad_options_get_a_sentence_and_nothing_is_written(tmp_path, models, options, code, said):
    done = search(models, tmp_path / "run", *options, check=False)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_scorer_that_fails_is_named_and_what_was_paid_for_is_kept(tmp_path, models):
    run, broken = tmp_path / "run", tmp_path / "scorer.sh"
    broken.write_text("read line; echo 1; exit 3\n")
    options = ["--alphas", "1"]
    done = search(models | {"scorer": f"sh {broken}"}, run, *options, check=False)
    assert done.returncode == 4, done.stderr
    assert "exit status 3" in done.stderr and "the same command goes on" in done.stderr
    paid = [row["key"] for row in read_rows(run / "answers.jsonl") if "text" in row]
    assert len(paid) > 10
    broken.write_text("while read line; do echo nan; done\n")
    done = search(models | {"scorer": f"sh {broken}"}, tmp_path / "other", *options, check=False)
    assert done.returncode == 3, done.stderr
    assert "nan" in done.stderr


@pytest.mark.parametrize("make, said", [(doubled, "repeats the prompt of"), (few, "at least 5 in each"), (empty, "empty")])
def test_bad_prompts_get_a_sentence_and_nothing_is_written(tmp_path, models, make, said):
    data = make(tmp_path, models)
    done = search(models | {"data": data}, tmp_path / "run", "--alphas", "1", check=False)
    assert done.returncode == 3, done.stderr
    assert said in done.stderr
    assert list(tmp_path.iterdir()) == [data]


def test_an_objective_without_its_data_is_refused(tmp_path, models):
    base = ["search", models["sft"], models["aligned"], models["data"], "-o", tmp_path / "run"]
    for options, said in (([], "nothing says how answers are scored"), (["--objective", "command"], "needs --scorer"),
                          (["--objective", "reward"], "needs --reward-model"),
                          (["--reward-model", "x", "--scorer", "y"], "more than one is given")):
        done = expo(*base, *options, check=False)
        assert done.returncode == 2 and said in done.stderr, done.stderr
    done = expo(*base, "--reward-model", models["sft"], *NEW, check=False)
    assert done.returncode == 2 and "has no reward head" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_folder_must_be_its_own(tmp_path, models):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    done = search(models, tmp_path / "mine", "--alphas", "1", check=False)
    assert done.returncode == 2 and "notes.txt" in done.stderr
    done = search(models, Path(models["sft"]) / "run", "--alphas", "1", check=False)
    assert done.returncode == 2 and "input" in done.stderr
    done = expo(*[word for word in command(models, tmp_path / "x") if word not in ("-o", tmp_path / "x")], check=False)
    assert done.returncode == 2 and "-o RUN" in done.stderr
