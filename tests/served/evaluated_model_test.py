"""`expo evaluate alpaca --model`: answers that are made before a judge is asked, here and on a server, and rewards beside
annotations that are there."""

import json
import math
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from checkpoints import EXPO, expo
from small_models import model, needs_engine, prompts, read_rows, write_rows

from model_server import Status, reward, word

JUDGE = "gpt-4-1106-preview"
ROWS = 16
KEY = "sk-Secret-4711"


@pytest.fixture
def folder(tmp_path):
    return model(tmp_path / "served")


@pytest.fixture
def judge(serve):
    return serve("openai", served=JUDGE)


@pytest.fixture
def reference(tmp_path):
    """The baseline's answers, no two instructions alike."""
    rng = np.random.default_rng(3)
    texts = [f"w{10 + number} {text}" for number, text in enumerate(prompts(rng, ROWS))]
    rows = [{"instruction": text, "output": answer, "generator": "base", "dataset": "koala"}
            for text, answer in zip(texts, prompts(rng, ROWS, shortest=4))]
    path = tmp_path / "baseline.json"
    path.write_text(json.dumps(rows))
    return path


def command(judge, reference, out, *options):
    return ["evaluate", "alpaca", "--reference-outputs", reference, "--judge", f"openai={judge.url}#{JUDGE}", "-o", out,
            *options]


def figures(judge, reference, out, *options, **more):
    return json.loads(expo(*command(judge, reference, out, "--json", *options), **more).stdout)


def refused(*arguments, code, **more):
    done = expo(*arguments, check=False, **more)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("expo: "), done.stderr
    return last


def read(path):
    return json.loads(Path(path).read_text())


def judged(judge):
    return len(judge.asked("/v1/chat/completions"))


def answered(server):
    return [tuple(body["prompt"]) for body in server.asked("/v1/completions")]


@needs_engine
def test_answers_are_those_of_generate_and_are_judged_like_a_file(judge, reference, models, tmp_path):
    sft, aligned = models
    out, moved = tmp_path / "a.json", ["--sft", sft, "--alpha", "0.5"]
    drawn = ["--temperature", "0.9", "--top-k", "30", "--max-new-tokens", "12", "--system", "w9", "--threads", "1"]
    row = figures(judge, reference, out, "--model", aligned, *moved, *drawn, "--answer-seed", "3")
    expo("generate", aligned, reference, "-o", tmp_path / "alone.json", *moved, *drawn, "--seed", "3")
    answers = Path(f"{out}.answers.json")
    assert answers.read_bytes() == (tmp_path / "alone.json").read_bytes()
    assert [each["output_2"] for each in read(out)] == [each["output"] for each in read(answers)]
    assert row["model"] == f"{aligned} (alpha 0.5)" and row["n_total"] == ROWS
    assert (row["answers"]["answers"], row["answers"]["output"]) == (ROWS, str(answers))
    asked = judged(judge)
    again = figures(judge, reference, tmp_path / "b.json", "--model-outputs", tmp_path / "alone.json")
    assert (tmp_path / "b.json").read_bytes() == out.read_bytes() and judged(judge) == 2 * asked
    assert again["answers"] is None
    for key in ("win_rate", "length_controlled_winrate", "avg_length"):
        assert again[key] == row[key]


@needs_engine
def test_another_seed_of_the_resamples_makes_no_other_answers(judge, reference, models, tmp_path):
    options = ["--model", models[1], "--temperature", "1", "--max-new-tokens", "8", "--threads", "1"]
    figures(judge, reference, tmp_path / "a.json", *options)
    asked = judged(judge)
    row = figures(judge, reference, tmp_path / "a.json", *options, "--resume", "--seed", "9")
    assert row["answers"]["was_complete"] and judged(judge) == asked


@pytest.mark.parametrize("dialect", ["vllm", "llama", "openai"])
def test_a_server_may_make_them(serve, judge, reference, tmp_path, dialect):
    server, other = serve(dialect), serve(dialect)
    named = ["--model-outputs", tmp_path / "answers.jsonl", "--generator", "small"]
    options = ["--temperature", "0.5", "--max-new-tokens", "20", "--batch-size", "3"]
    row = figures(judge, reference, tmp_path / "a.json", "--model", word(server), *named, *options)
    expo("generate", word(other), reference, "-o", tmp_path / "alone.jsonl", "--format", "alpaca", "--generator", "small",
         *options)
    assert (tmp_path / "answers.jsonl").read_bytes() == (tmp_path / "alone.jsonl").read_bytes()
    assert row["model"] == "small" and server.most_in_flight <= 3
    assert [each["output_2"] for each in read(tmp_path / "a.json")] == [
        each["output"] for each in read_rows(tmp_path / "answers.jsonl")]


def test_alpha_reaches_a_server_as_by_generate(serve, judge, reference, tmp_path):
    server = serve("llama")
    server.adapters = ["delta.gguf"]
    row = figures(judge, reference, tmp_path / "a.json", "--model", word(server), "--alpha", "0.25")
    assert {body["lora"][0]["scale"] for body in server.asked("/completion")} == {1.25}
    assert row["model"] == f"{word(server)} (alpha 0.25)"


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_what_is_interrupted_goes_on_and_comes_to_the_same_end(serve, judge, reference, tmp_path, ending):
    server, out, in_flight = serve(), tmp_path / "a.json", 2
    options = ["--model", word(server), "--batch-size", in_flight, "--judge-requests", in_flight]
    whole = tmp_path / "whole.json"
    figures(judge, reference, whole, *options, "--generator", "small")
    server.requests.clear()
    judge.requests.clear()

    def interrupt(what, after):
        server.pause = judge.pause = 0.05
        run = subprocess.Popen([EXPO, *map(str, command(judge, reference, out, *options, "--generator", "small"))],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        while what() < after and run.poll() is None:
            time.sleep(0.002)
        run.send_signal(ending)
        told = run.communicate()[1]
        assert run.returncode == (130 if ending == signal.SIGTERM else -ending), told
        server.pause = judge.pause = 0
        while server.in_flight or judge.in_flight:
            time.sleep(0.005)
        assert not out.exists()
        return told

    told = interrupt(lambda: len(answered(server)), 6)
    assert not Path(f"{out}.answers.json").exists() and judged(judge) == 0
    if ending == signal.SIGTERM:
        assert "the same command goes on from there" in told
    partial = tmp_path / ".a.json.answers.json.expo-partial"
    kept = partial.read_text().count('{"row"') if partial.exists() else 0
    assert kept > 0 or ending == signal.SIGKILL  # until a server was seen again with its model, answers do not count
    before = len(answered(server))
    interrupt(lambda: judged(judge), 5)
    assert Path(f"{out}.answers.json").exists()
    row = figures(judge, reference, out, *options, "--generator", "small")
    assert out.read_bytes() == whole.read_bytes()
    assert row["answers"]["was_complete"]
    # No answer that was kept is made again, and what the judge has said is asked again only where it was in flight.
    assert len(set(answered(server))) == ROWS and len(answered(server)) == before + ROWS - kept
    assert judged(judge) <= ROWS + in_flight


@needs_engine
def test_a_wrong_model_is_told_in_a_sentence_and_nothing_is_left(serve, judge, reference, tmp_path):
    out, served = tmp_path / "out", serve()
    out.mkdir()
    (tmp_path / "empty").mkdir()
    for name, code, words in [("nowhere", 3, "nowhere"), ("empty", 3, "holds no weights"),
                              (word(served, "#large"), 3, "does not have large, but small"),
                              ("tgi=http://127.0.0.1:9", 2, "--model"), ("http://127.0.0.1:9", 2, "--model")]:
        path = name if "=" in name or ":" in name else tmp_path / name
        told = refused(*command(judge, reference, out / "a.json", "--model", path), code=code)
        assert words in told, told
    assert list(out.iterdir()) == [] and judge.requests == [] and served.asked("/v1/completions") == []


@needs_engine
def test_what_would_stop_the_judge_is_found_before_the_first_answer(serve, judge, reference, tmp_path):
    server, out = serve(), tmp_path / "out"
    out.mkdir()
    named = ["--model", word(server)]
    (out / "there.json").write_text("[]")
    rows = read(reference)
    twice = tmp_path / "twice.json"
    twice.write_text(json.dumps([*rows, rows[3]]))
    for words, code, data, place, *more in [
            ("this file exists", 2, reference, "there.json"),
            ("NOT_SET is not set", 2, reference, "a.json", "--judge-key-variable", "NOT_SET"),
            ("is also that of", 3, twice, "a.json"),
            (f"{tmp_path / 'no-model'}: ", 3, reference, "a.json", "--reward-model", tmp_path / "no-model"),
            ("is an input", 2, reference, "a.json", "--model-outputs", reference),
            ("choose another", 2, reference, "a.json", "--model-outputs", out / "a.json")]:
        told = refused(*command(judge, data, out / place, *named, *more), code=code)
        assert words in told, (words, told)
    assert server.asked("/v1/completions") == [] and judge.requests == []
    assert [path.name for path in out.iterdir()] == ["there.json"]


def test_a_file_that_no_run_has_written_is_never_replaced(serve, judge, reference, tmp_path):
    server, hand = serve(), tmp_path / "hand.json"
    hand.write_text("[]")
    options = ["--model", word(server), "--model-outputs", hand]
    for more in ([], ["--overwrite"]):
        told = refused(*command(judge, reference, tmp_path / "a.json", *options, *more), code=2)
        assert "exists already; name another file, or remove it" in told
    assert hand.read_text() == "[]" and server.asked("/v1/completions") == []


def test_an_unreadable_journal_is_replaced_where_that_is_asked_for(serve, judge, reference, tmp_path):
    server, out = serve(), tmp_path / "a.json"
    (tmp_path / ".a.json.answers.json.expo-partial").write_text("not a journal\n")
    options = ["--model", word(server)]
    assert "--overwrite discards it" in refused(*command(judge, reference, out, *options), code=3)
    figures(judge, reference, out, *options, "--overwrite")


def test_instructions_are_those_that_answers_are_joined_by(serve, judge, reference, tmp_path):
    """A baseline's rows may have the text that its own model was given beside the instruction."""
    server, both = serve(), tmp_path / "both.json"
    both.write_text(json.dumps([row | {"prompt": "w9 " + row["instruction"]} for row in read(reference)]))
    figures(judge, both, tmp_path / "a.json", "--model", word(server))
    assert [row["instruction"] for row in read(tmp_path / "a.json.answers.json")] == [
        row["instruction"] for row in read(reference)]


def test_answers_of_other_settings_are_refused_or_replaced(serve, judge, reference, tmp_path):
    server, out = serve(), tmp_path / "a.json"
    options = ["--model", word(server), "--temperature", "1"]
    figures(judge, reference, out, *options)
    first = Path(f"{out}.answers.json").read_bytes()
    told = refused(*command(judge, reference, out, *options, "--answer-seed", "4", "--resume"), code=2)
    assert "it was finished with other settings" in told and "seed" in told and "--overwrite" in told
    assert len(answered(server)) == ROWS and Path(f"{out}.answers.json").read_bytes() == first
    # The same settings make nothing anew, whatever becomes of the annotations.
    assert figures(judge, reference, out, *options, "--overwrite")["answers"]["was_complete"]
    assert len(answered(server)) == ROWS
    assert not figures(judge, reference, out, *options, "--answer-seed", "4", "--overwrite")["answers"]["was_complete"]
    assert len(answered(server)) == 2 * ROWS and Path(f"{out}.answers.json").read_bytes() != first

    # Nor do those that an interrupted run has left go into a run of other settings.
    def begin(*more, allowed):
        server.misbehave = lambda request: (
            Status(400) if request.method == "POST" and len(answered(server)) > allowed else None)
        return refused(*command(judge, reference, tmp_path / "b.json", *options, "--batch-size", "1", *more), code=3)

    assert "is kept: the same command goes on" in begin(allowed=2 * ROWS + 5)
    server.misbehave = lambda request: None
    told = refused(*command(judge, reference, tmp_path / "b.json", *options, "--answer-seed", "4"), code=2)
    assert "an interrupted run with other settings has left 5 rows" in told and "seed" in told
    figures(judge, reference, tmp_path / "b.json", *options, "--answer-seed", "4", "--overwrite")
    assert Path(f"{tmp_path / 'b.json'}.answers.json").read_bytes() == Path(f"{out}.answers.json").read_bytes()


def test_a_dry_run_tells_of_answers_that_are_not_there(serve, judge, reference, tmp_path):
    server, out, most = serve(), tmp_path / "a.json", 30
    options = ["--model", word(server), "--max-new-tokens", most]
    before = sorted(tmp_path.rglob("*"))
    told = figures(judge, reference, out, *options, "--dry-run")
    text = expo(*command(judge, reference, out, *options, "--dry-run")).stdout
    unnamed = expo("evaluate", "alpaca", "--reference-outputs", reference, "--judge", f"openai={judge.url}#{JUDGE}",
                   *map(str, options), "--dry-run").stdout
    assert server.requests == [] and judge.requests == [] and sorted(tmp_path.rglob("*")) == before
    assert told["answers"] == {"to_make": ROWS, "most_tokens": most} and told["requests"] == ROWS
    assert f"up to {ROWS} answers by {word(server)} are to be made, of at most {most} tokens each" in text and unnamed == text
    done = expo(*command(judge, reference, out, *options))
    # The same stands before the first request.
    assert all(f"note: {line}" in done.stderr for line in text.splitlines())
    baseline = [row["output"] for row in read(reference)]
    shown = [[message["content"] for message in body["messages"]] for body in judge.asked("/v1/chat/completions")]
    answers = {row["instruction"]: row["output"] for row in read(out.parent / "a.json.answers.json")}
    letters = sum(len("".join(parts)) for parts in shown) - sum(map(len, answers.values()))
    likely = (letters + sum(min(len(text), 4 * most) for text in baseline)) / 4
    assert told["likely"]["prompt_tokens"] == pytest.approx(likely, rel=0.05)
    assert letters + ROWS * 4 * most <= told["largest"]["prompt_tokens"] <= letters + ROWS * (4 * most + 200)
    assert told["largest_cost"] == pytest.approx((told["largest"]["prompt_tokens"] * 10 + ROWS * 30) / 1e6)
    # Answers that are there are those to be judged; with --overwrite they may be of other settings, and made anew.
    there = expo("evaluate", "alpaca", *command(judge, reference, tmp_path / "b.json", *options)[2:], "--model-outputs",
                 out.parent / "a.json.answers.json", "--dry-run", "--json")
    assert json.loads(there.stdout)["answers"] is None
    anew = figures(judge, reference, out, *options, "--dry-run", "--overwrite")
    assert anew["answers"]["to_make"] == ROWS and anew["requests"] == ROWS


def test_the_key_of_the_models_server_has_an_option_of_its_own(serve, judge, reference, tmp_path):
    server = serve()
    server.misbehave = lambda request: (
        None if request.headers.get("Authorization") == f"Bearer {KEY}" else Status(401))
    options = ["--model", word(server)]
    told = refused(*command(judge, reference, tmp_path / "a.json", *options), code=4)
    assert "--model-key-variable names the environment variable" in told
    options += ["--model-key-variable", "MY_KEY", "--model-answer-timeout", "60"]
    figures(judge, reference, tmp_path / "a.json", *options, env=os.environ | {"MY_KEY": KEY})
    assert all("Authorization" not in request.headers for request in judge.requests)
    server.root = "/nowhere/model"
    told = refused(*command(judge, reference, tmp_path / "b.json", *options), code=3, env=os.environ | {"MY_KEY": KEY})
    assert "--model-tokenizer names where they are" in told


def test_both_models_may_run_on_servers_with_options_of_their_own(serve, judge, reference, tmp_path):
    server, scorer = serve(), serve("vllm", root="/nowhere/reward", served="reward", context=256)
    weights = model(tmp_path / "reward", "llama_reward")
    row = figures(judge, reference, tmp_path / "a.json", "--model", word(server), "--reward-model", f"vllm={scorer.url}",
                  "--tokenizer", weights)
    values = [reward([3, *numbers(each["instruction"]), 4, *numbers(each["output_2"])])
              for each in read(tmp_path / "a.json")]
    assert row["reward"]["mean"] == pytest.approx(np.mean(values), abs=1e-6)


@needs_engine
def test_options_of_a_machine_are_for_whichever_model_runs_here(serve, judge, reference, tmp_path):
    weights = model(tmp_path / "reward", "llama_reward")
    figures(judge, reference, tmp_path / "a.json", "--model", word(serve()), "--reward-model", weights, "--device", "cpu",
            "--threads", "1", "--dtype", "f32")
    scorer = serve("vllm", root=weights, served="reward", context=256)
    figures(judge, reference, tmp_path / "b.json", "--model", model(tmp_path / "here"), "--max-new-tokens", "5",
            "--reward-model", f"vllm={scorer.url}", "--device", "cpu", "--threads", "1", "--deterministic")


@pytest.mark.parametrize("options, words", [
    (["--model", "M", "--annotations", "a.json"], "--model has one asked; give one of them"),
    (["--model", "M", "--alpha", "0.5"], "--alpha needs --sft"),
    (["--model", "M", "--sft", "S"], "--sft needs --alpha"),
    (["--model", "M", "--staging-dir", "D"], "--staging-dir has no effect on a model that runs here"),
    (["--model", "M", "--model-tokenizer", "T"], "--model-tokenizer has no effect on a model that runs here"),
    (["--model", "M", "--aligned", "T"], "--model is θ itself"),
    (["--model", "M", "--tokenizer", "T"], "--tokenizer has no effect without --reward-model"),
    (["--model", "M", "--top-k", "5"], "no effect at temperature 0"),
    (["--model", "vllm=http://127.0.0.1:9", "--device", "cpu"], "--device has no effect on a model that a server runs"),
    (["--model", "vllm=http://127.0.0.1:9", "--dtype", "f32"], "--dtype has no effect on a model that a server runs"),
    (["--model", "vllm=http://127.0.0.1:9", "--sft", "S", "--alpha", "1"], "--staging-dir"),
    (["--model-outputs", "M", "--max-new-tokens", "5"], "--max-new-tokens has no effect without --model"),
    (["--model-outputs", "M", "--model-key-variable", "K"], "--model-key-variable has no effect without --model"),
    (["--model-outputs", "M", "--cache-size", "5GB"], "--cache-size has no effect without --model"),
    (["--model-outputs", "M", "--threads", "5"], "--threads has no effect without a model that runs here"),
    (["--model-outputs", "M", "--reward-model", "vllm=http://127.0.0.1:9", "--threads", "5"],
     "--threads has no effect on a reward model that a server runs"),
])
def test_wrong_use_is_refused(reference, tmp_path, options, words):
    told = refused("evaluate", "alpaca", "--reference-outputs", reference, "--judge", f"openai=http://127.0.0.1:9#{JUDGE}",
                   "-o", tmp_path / "a.json", *options, code=2)
    assert words in told


def test_a_judge_is_needed(reference, tmp_path):
    told = refused("evaluate", "alpaca", "--reference-outputs", reference, "--model", "M", "-o", tmp_path / "a.json", code=2)
    assert "--model: no judge is named" in told


# Rewards beside annotations.

def numbers(text):
    return [int(each[1:]) for each in text.split()]


def annotations(path, seed, change=lambda row: row):
    """Annotations in the words of the small models, and the rewards of their answers."""
    rng = np.random.default_rng(seed)
    texts = zip(prompts(rng, ROWS, shortest=3), prompts(rng, ROWS), prompts(rng, ROWS))
    rows = [{"instruction": f"w{20 + i} {ask}", "output_1": base, "output_2": answer, "generator_2": path.stem,
             "preference": 1 + rng.random()} for i, (ask, base, answer) in enumerate(texts)]
    rows[2]["preference"] = None  # the judge failed; there is an answer all the same
    path.write_text(json.dumps([change(row) for row in rows]))
    return path, [reward([3, *numbers(row["instruction"]), 4, *numbers(row["output_2"])]) for row in rows]


def test_rewards_stand_beside_annotations(serve, tmp_path):
    scorer = serve("vllm", root=model(tmp_path / "reward", "llama_reward"), served="reward", context=256)
    evaluate = ["evaluate", "alpaca", "--allow-missing", "--reward-model", f"vllm={scorer.url}", "--annotations"]
    (first, rewards), (second, others) = (annotations(tmp_path / f"{name}.json", seed)
                                          for name, seed in (("small", 5), ("large", 6)))
    row = json.loads(expo(*evaluate, first, "--json").stdout)
    assert row["reward"]["mean"] == pytest.approx(np.mean(rewards), abs=1e-6)
    assert row["reward"]["standard_error"] == pytest.approx(np.std(rewards, ddof=1) / math.sqrt(ROWS), abs=1e-6)
    rows = json.loads(expo(*evaluate, first, second, "--json").stdout)
    assert [each["reward"]["mean"] for each in rows] == pytest.approx([np.mean(rewards), np.mean(others)], abs=1e-6)
    text = expo(*evaluate, first, second).stdout
    assert f"small: mean reward {np.mean(rewards):.4f}" in text and f"large: mean reward {np.mean(others):.4f}" in text
    plain = json.loads(expo("evaluate", "alpaca", "--allow-missing", "--annotations", first, "--json").stdout)
    assert plain["reward"] is None and plain["win_rate"] == row["win_rate"]


@needs_engine
def test_the_reward_model_beside_annotations_may_run_here(tmp_path):
    weights = model(tmp_path / "reward", "llama_reward")
    path, _ = annotations(tmp_path / "small.json", 7)
    row = json.loads(expo("evaluate", "alpaca", "--annotations", path, "--allow-missing", "--reward-model", weights,
                          "--threads", "1", "--json").stdout)
    rows = write_rows(tmp_path / "rows.jsonl", [{"prompt": each["instruction"], "output": each["output_2"]}
                                                for each in read(path)])
    expo("score", weights, rows, "-o", tmp_path / "scores.jsonl", "--threads", "1")
    assert row["reward"]["mean"] == pytest.approx(np.mean([each["reward"] for each in read_rows(tmp_path / "scores.jsonl")]))


def test_annotations_without_texts_cannot_be_scored(serve, tmp_path):
    scorer = serve("vllm", root=model(tmp_path / "reward", "llama_reward"), served="reward", context=256)
    table = tmp_path / "a.csv"
    table.write_text("index,len_baseline,len_model,preference\n" + "".join(f"{i},9,{i + 3},1.{i}\n" for i in range(1, 9)))
    bare, _ = annotations(tmp_path / "bare.json", 8,
                          lambda row: {key: value for key, value in row.items() if key != "instruction"})
    for path, place in ((table, "a.csv:2"), (bare, "bare.json: entry 1")):
        told = refused("evaluate", "alpaca", "--annotations", path, "--allow-missing", "--reward-model",
                       f"vllm={scorer.url}", code=3)
        assert place in told and "there are no texts, which --reward-model scores" in told
    assert scorer.asked("/classify") == []
