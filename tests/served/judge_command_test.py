"""`expo evaluate alpaca` with a judge on a server: the protocol, the figures, the files, and rewards beside them."""

import json
import math
import os
import re
from pathlib import Path

import numpy as np
import pytest
from checkpoints import expo
from small_models import model, needs_engine, read_rows, write_rows

from judge_runs import JUDGE, ROWS, alpaca, figures, preferences, prompts, read, refused, word
from model_server import Status, reward, weighed_letters

COLUMNS = ["model", "win_rate", "standard_error", "n_wins", "n_wins_base", "n_draws", "n_total", "discrete_win_rate",
           "avg_length", "length_controlled_winrate"]  # of alpaca_eval's leaderboard


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "none"


def test_a_judges_log_probabilities_become_a_leaderboard_row(judge, files, pairs, tmp_path):
    server, out = judge(), tmp_path / "annotations.json"
    row = figures(server, files, out)
    expected = preferences(server, pairs)
    assert list(row)[:len(COLUMNS)] == COLUMNS
    assert row["win_rate"] == pytest.approx(100 * np.mean(expected - 1), abs=1e-9)
    assert row["standard_error"] == pytest.approx(100 * np.std(expected - 1, ddof=1) / math.sqrt(ROWS), abs=1e-9)
    assert (row["n_wins"], row["n_draws"], row["n_total"]) == (np.sum(expected > 1.5), 1, ROWS)
    assert row["avg_length"] == int(np.mean([len(pair[2]) for pair in pairs]))
    assert (row["model"], row["baseline"], row["judge"]) == ("small", "base", "weighted_alpaca_eval_gpt4_turbo")
    told = row["judging"]
    assert (told["asked"], told["same_answers"], told["failed"], told["requests"]) == (ROWS - 1, 1, 0, ROWS - 1)
    tokens = [len(text.replace("\n", "", 1)) // 4 for text in prompts(server)]
    assert told["prompt_tokens"] == pytest.approx(sum(tokens), abs=ROWS)
    assert told["cost"] == pytest.approx((told["prompt_tokens"] * 10 + (ROWS - 1) * 30) / 1e6, abs=1e-12)
    annotations = read(out)
    assert [each["preference"] for each in annotations] == pytest.approx(expected, abs=1e-12)
    assert [(each["instruction"], each["output_1"], each["output_2"]) for each in annotations] == pairs
    assert {(each["generator_1"], each["generator_2"], each["dataset"]) for each in annotations} == {
        ("base", "small", "selfinstruct")}
    again = json.loads(expo("evaluate", "alpaca", "--annotations", out, "--json").stdout)
    assert {key: row[key] for key in again} == again
    # Both orders occur, as drawn.
    shown = [text.index("baseline's") < text.index("model's") for text in prompts(server)]
    assert 5 < sum(shown) < ROWS - 5


@pytest.mark.parametrize("dialect, own", [
    ("openai", {}),
    ("vllm", {"top_k": -1, "min_p": 0, "repetition_penalty": 1, "ignore_eos": False, "min_tokens": 0}),
    ("llama", {"top_k": 0, "min_p": 0, "repeat_penalty": 1, "cache_prompt": False}),
])
def test_every_kind_of_server_is_asked_by_the_annotators_protocol(judge, files, pairs, tmp_path, dialect, own):
    server = judge(dialect)
    row = figures(server, files, tmp_path / "a.json")
    assert row["win_rate"] == pytest.approx(100 * np.mean(preferences(server, pairs) - 1), abs=1e-9)
    for body in server.asked("/v1/chat/completions"):
        assert [message["role"] for message in body["messages"]] == ["system", "user"]
        assert {key: value for key, value in body.items() if key != "messages"} == own | {
            "model": JUDGE, "max_tokens": 1, "temperature": 1, "top_p": 1, "presence_penalty": 0,
            "frequency_penalty": 0, "logprobs": True, "top_logprobs": 6 if dialect == "vllm" else 5, "n": 1,
            "stream": False}


@pytest.mark.parametrize("dialect", ["openai", "vllm", "llama"])
@pytest.mark.parametrize("drawn", ["The", "M", "x", "y"])
def test_the_five_most_likely_tokens_count_whichever_is_drawn(judge, files, pairs, tmp_path, dialect, drawn):
    """vLLM puts the token that it draws first, and leaves out the last of the list for it."""
    def weigh(messages):
        share = 0.05 + 0.02 * weighed_letters(messages)["m"]
        return {"The": 0.4, "**": 0.25, " m": 0.15, "m": share, "M": 0.04, "x": 0.03, "y": 0.01}
    server = judge(dialect)
    server.weigh, server.drawn = weigh, lambda weights: drawn
    row = figures(server, files, tmp_path / "a.json")
    assert row["win_rate"] == pytest.approx(100 * np.mean(preferences(server, pairs, weigh) - 1), abs=1e-9)


def test_a_server_that_has_renamed_the_limit_is_asked_by_the_new_name(judge, files, pairs, tmp_path):
    server = judge()
    server.misbehave = lambda request: (Status(400, body={"error": {"message": "use max_completion_tokens"}})
                                        if request.body and "max_tokens" in request.body else None)
    row = figures(server, files, tmp_path / "a.json")
    bodies = server.asked("/v1/chat/completions")
    assert row["judging"]["failed"] == 0 and sum("max_completion_tokens" in body for body in bodies) == ROWS - 1
    assert row["judging"]["requests"] == ROWS - 1 and len(bodies) <= ROWS - 1 + 8


def test_a_dry_run_sends_and_writes_nothing(judge, files, tmp_path):
    server, out = judge(), tmp_path / "a.json"
    before = sorted(tmp_path.iterdir())
    told = json.loads(expo("evaluate", "alpaca", *files, "--judge", word(server), "--dry-run", "--json").stdout)
    text = alpaca(server, files, out, "--dry-run").stdout
    assert server.requests == [] and sorted(tmp_path.iterdir()) == before
    assert told["requests"] == ROWS - 1
    assert told["likely_cost"] == pytest.approx((told["likely"]["prompt_tokens"] * 10 + (ROWS - 1) * 30) / 1e6)
    assert told["largest_cost"] > told["likely_cost"] and f"about {ROWS - 1} rows" in text
    real = figures(server, files, out)["judging"]
    assert told["likely"]["prompt_tokens"] == pytest.approx(real["prompt_tokens"], rel=0.05)
    # What is known is not asked again.
    assert "asked nothing" in alpaca(server, files, out, "--resume", "--dry-run").stdout
    other = expo("evaluate", "alpaca", *files, "--judge", word(server, "other"), "--dry-run").stdout
    assert "--prompt-price" in other


def test_alpaca_evals_own_annotations_are_reused(judge, files, pairs, tmp_path):
    server = judge()
    own = [{"instruction": instruction, "output_1": baseline, "generator_1": "base", "output_2": answer,
            "generator_2": "small", "annotator": "weighted_alpaca_eval_gpt4_turbo", "preference": preference}
           for (instruction, baseline, answer), preference in zip(pairs, [1.25] * 10 + [None, -1])]
    (tmp_path / "own.json").write_text(json.dumps(own))
    row = figures(server, files, tmp_path / "a.json", "--reuse", tmp_path / "own.json")
    assert (row["judging"]["reused"], row["judging"]["asked"]) == (10, ROWS - 11)
    assert [each["preference"] for each in read(tmp_path / "a.json")][:10] == [1.25] * 10


def test_files_that_exist_are_not_lost(judge, files, pairs, tmp_path):
    server, out = judge(), tmp_path / "a.json"
    figures(server, files, out)
    asked, text = len(server.requests), out.read_bytes()
    command = [*files, "--judge", word(server), "-o", out]
    assert "this file exists" in refused(*command, code=2)
    rows = read(out)
    out.write_text(json.dumps([row | {"generator_2": "other"} for row in rows]))
    assert "its annotations are of the model other, not small" in refused(*command, "--resume", code=3)
    assert "choose another" in refused(*files, "--judge", word(server), "-o", files[1], "--overwrite", code=2)
    assert "names no file" in refused(*files, "--judge", word(server), "-o", tmp_path, "--overwrite", code=2)
    assert len(server.requests) == asked
    row = figures(server, files, out, "--overwrite")
    assert row["judging"]["cached"] == ROWS - 1 and out.read_bytes() == text
    # A name alone is a file in the present folder.
    figures(server, files, "a.json", "--overwrite", cwd=tmp_path)
    figures(server, files, "b.json", "--judge-cache", "a.json.replies.jsonl", cwd=tmp_path)
    assert (tmp_path / "b.json").read_bytes() == text and len(prompts(server)) == ROWS - 1


@pytest.mark.parametrize("arguments, code, words", [
    (["--judge", "URL#gpt-4-1106-preview"], 2, "expected"),
    (["--judge", "openai=http://127.0.0.1:9"], 2, "the name of the judge's model is missing"),
    (["--judge", "folder"], 2, "a judge is asked on a server"),
    ([], 2, "no judge is named"),
    (["--judge", "openai=http://127.0.0.1:9#x", "--budget", "1"], 2, "the prices of x are not known"),
    (["--judge", "openai=http://127.0.0.1:9#x", "--prompt-price", "1"], 2, "belong together"),
    (["--judge", "openai=http://127.0.0.1:9#x", "--batch-size", "3"], 2, "has no effect without --reward-model"),
    (["--judge", "openai=http://127.0.0.1:9#x", "--annotations", "a.json"], 2, "give one of them"),
    (["--judge", "openai=http://127.0.0.1:9#x", "--resume", "--overwrite"], 2, "give one of them"),
])
def test_wrong_use_is_refused(files, tmp_path, arguments, code, words):
    assert words in refused(*files, "-o", tmp_path / "a.json", *arguments, code=code)
    assert not (tmp_path / "a.json").exists()


def test_options_of_a_judge_are_refused_without_answers(tmp_path):
    (tmp_path / "a.csv").write_text("index,len_baseline,len_model,preference\n0,1,2,1.5\n1,2,3,1.2\n2,4,9,1.7\n")
    for option in (["--judge", "openai=http://x#y"], ["-o", "b.json"], ["--budget", "1"], ["--dry-run"]):
        message = refused("--annotations", tmp_path / "a.csv", *option, code=2)
        assert "has no effect without --model-outputs" in message
    message = refused("--annotations", tmp_path / "a.csv", "--threads", "2", code=2)
    assert "--threads has no effect without a model that runs here" in message
    assert "there is nothing to evaluate" in refused(code=2)


def test_the_baselines_answers_may_come_from_the_cache(judge, files, tmp_path):
    server, environment = judge(), os.environ | {"HF_HUB_CACHE": str(tmp_path / "hub")}
    message = refused(*files[:2], "--judge", word(server), "-o", tmp_path / "a.json", code=3, env=environment)
    assert "hf download --repo-type dataset tatsu-lab/alpaca_eval alpaca_eval_gpt4_baseline.json" in message
    repository = tmp_path / "hub/datasets--tatsu-lab--alpaca_eval"
    (repository / "snapshots/0123abcd").mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text("0123abcd")
    (repository / "snapshots/0123abcd/alpaca_eval_gpt4_baseline.json").write_bytes(Path(files[3]).read_bytes())
    row = figures(server, files[:2], tmp_path / "a.json", env=environment)
    assert row["baseline"] == "base" and row["n_total"] == ROWS


def test_answers_to_other_instructions_are_refused_before_anything_is_asked(judge, files, pairs, tmp_path):
    server = judge()
    rows = read(files[1])
    Path(files[1]).write_text(json.dumps(rows[:5] + [rows[5] | {"instruction": "Another one"}] + rows[6:]))
    message = refused(*files, "--judge", word(server), "-o", tmp_path / "a.json", code=3)
    assert "model.json: entry 6: the instruction \"Another one\" is not in" in message and not server.requests
    Path(files[1]).write_text(json.dumps(rows[:5] + rows[6:]))
    assert "there is no answer to 1 instruction" in refused(*files, "--judge", word(server), "-o", tmp_path / "a.json",
                                                            code=3)
    row = figures(server, files, tmp_path / "a.json", "--allow-missing")
    assert (row["n_missing"], row["n_total"]) == (1, ROWS - 1)


def test_another_judge_is_labelled_as_not_comparable(judge, files, tmp_path):
    server = judge(served="small-judge")
    done = expo("evaluate", "alpaca", *files, "--judge", word(server, "small-judge"), "-o", tmp_path / "a.json",
                "--other-instructions")
    assert "cannot be compared with published ones" in done.stdout
    assert {each["annotator"] for each in read(tmp_path / "a.json")} == {"weighted_alpaca_eval_small-judge"}


@pytest.mark.parametrize("form", ["ultrafeedback", "plain", "alpaca"])
def test_answers_of_expo_generate_are_judged_as_they_are(serve, judge, files, pairs, tmp_path, form):
    writer, server, answers = serve("openai", served="writer"), judge(), tmp_path / "answers.jsonl"
    expo("generate", f"openai={writer.url}", files[3], "-o", answers, "--format", form, "--max-new-tokens", "9")
    row = figures(server, ["--model-outputs", answers, *files[2:]], tmp_path / "a.json")
    outputs = [each["output_2"] for each in read(tmp_path / "a.json")]
    assert len(set(outputs)) > ROWS / 2 and all(text.startswith("w") for text in outputs)
    shown = [each["messages"][-1]["content"] if form == "ultrafeedback" else each.get("answer", each.get("output"))
             for each in read_rows(answers)]
    assert outputs == shown
    assert row["model"] == ("answers" if form != "alpaca" else row["model"]) and row["judging"]["asked"] == ROWS
    named = figures(server, ["--model-outputs", answers, *files[2:]], tmp_path / "b.json", "--generator", "writer-7b",
                    "--judge-cache", str(tmp_path / "a.json") + ".replies.jsonl")
    assert named["model"] == "writer-7b" and named["judging"]["cached"] == ROWS


def published():
    """A published model's row and its annotations, which ship with the tests."""
    folder = Path(os.environ.get("EXPO_SOURCE_DIR", Path(__file__).parents[2])) / "tests/evaluation/published"
    columns = (folder / "expected.csv").read_text().splitlines()
    expected = dict(zip(columns[0].split(","), columns[1].split(","), strict=True))
    return expected, np.genfromtxt(folder / f"{expected['model']}.csv", delimiter=",", names=True)


def test_a_judge_that_prefers_as_published_gives_the_published_row(judge, tmp_path):
    expected, table = published()
    server = judge()

    def instruction(i):
        return f"Number {i:03}."

    def text(letter, length):
        return letter * int(length)

    def weigh(messages):
        number, first_answer, _ = re.findall(r'"""(.*?)"""', messages[-1]["content"], re.DOTALL)
        wins = table[int(number[len("Number "):-1])]["preference"] - 1
        first = wins if first_answer.startswith("A") else 1 - wins
        return {letter: share for letter, share in (("m", first), ("M", 1 - first)) if share > 0}
    server.weigh = weigh
    for name, letter, column in (("m.json", "A", "len_model"), ("b.json", "B", "len_baseline")):
        (tmp_path / name).write_text(json.dumps([
            {"instruction": instruction(i), "output": text(letter, row[column]), "generator": letter}
            for i, row in enumerate(table)]))
    files = ["--model-outputs", tmp_path / "m.json", "--reference-outputs", tmp_path / "b.json"]
    row = figures(server, files, tmp_path / "a.json", "--judge-requests", "16")
    assert row["alpaca_eval"] and row["comparable"] and row["notes"] == []
    for key in ("win_rate", "standard_error", "discrete_win_rate", "n_wins", "n_wins_base", "n_total", "avg_length"):
        assert row[key] == pytest.approx(float(expected[key]), abs=1e-6), key
    assert row["length_controlled_winrate"] == pytest.approx(float(expected["length_controlled_winrate"]), abs=0.15)


def numbered(tmp_path, pairs):
    """Answers in the words of the small models, and their tokens."""
    texts = [[f"w{6 + (7 * i + j + k) % 90}" for j in range(3 + i % 4)] for i, k in ((i, i // 4) for i in range(20))]
    rows = [(f"w{10 + i} w{90 - i}", " ".join(text), f"w{20 + i}") for i, text in enumerate(texts)]
    for name, column in (("m.json", 1), ("b.json", 2)):
        (tmp_path / name).write_text(json.dumps([{"instruction": row[0], "output": row[column]} for row in rows]))
    numbers = [[[int(word[1:]) for word in part.split()] for part in row] for row in rows]
    return (["--model-outputs", tmp_path / "m.json", "--reference-outputs", tmp_path / "b.json"],
            [[3, *prompt, 4, *answer] for prompt, answer, _ in numbers])


def test_the_mean_reward_of_the_same_answers_is_shown(serve, judge, pairs, tmp_path):
    files, tokens = numbered(tmp_path, pairs)
    scorer = serve("vllm", root=model(tmp_path / "reward", "llama_reward"), served="reward")
    row = figures(judge(), files, tmp_path / "a.json", "--reward-model", f"vllm={scorer.url}")
    rewards = [reward(each) for each in tokens]
    assert row["reward"]["mean"] == pytest.approx(np.mean(rewards), abs=1e-6)
    assert row["reward"]["standard_error"] == pytest.approx(np.std(rewards, ddof=1) / math.sqrt(len(rewards)), abs=1e-6)
    text = alpaca(judge(), files, tmp_path / "c.json", "--reward-model", f"vllm={scorer.url}").stdout
    assert f"mean reward {np.mean(rewards):.4f}" in text


@needs_engine
def test_the_reward_model_may_run_here(judge, pairs, tmp_path):
    files, _ = numbered(tmp_path, pairs)
    weights = model(tmp_path / "reward", "llama_reward")
    row = figures(judge(), files, tmp_path / "a.json", "--reward-model", weights, "--threads", "1")
    answers = write_rows(tmp_path / "rows.jsonl", [
        {"prompt": each["instruction"], "output": each["output_2"]} for each in read(tmp_path / "a.json")])
    expo("score", weights, answers, "-o", tmp_path / "scores.jsonl", "--threads", "1")
    assert row["reward"]["mean"] == pytest.approx(np.mean([each["reward"] for each in read_rows(tmp_path / "scores.jsonl")]))
