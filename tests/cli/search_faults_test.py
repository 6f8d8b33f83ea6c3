"""`expo search` where something is wrong or odd: what is found before the search, and what of it is kept."""

import json
import re
import sys

import numpy as np
import pytest

from checkpoints import expo
from search_test import NEW, SEED, command, models, search  # noqa: F401 (models is a fixture)
from small_models import model, needs_engine, prompts, read_rows, write_rows

pytestmark = needs_engine

# Prints a score for each line and, where it `STUTTERS`, one number too many as soon as it has nothing to do.
RULE = """
import json, os, select

def run():
    pending, count, stutters = b"", 0, STUTTERS
    while True:
        ready, _, _ = select.select([0], [], [], 0.02)
        if not ready:
            if count and stutters:
                print(0.5, flush=True)
                stutters = False
            continue
        piece = os.read(0, 1 << 16)
        if not piece:
            return
        *lines, pending = (pending + piece).split(b"\\n")
        for line in lines:
            count += 1
            print(len(json.loads(line)["answer"]) % 7, flush=True)
"""


def test_scores_of_a_program_that_stutters_are_not_trusted_later(tmp_path, models):
    program = tmp_path / "program"
    program.mkdir()
    (program / "main.py").write_text(f"import sys\nsys.path.insert(0, {str(program)!r})\nimport rule\nrule.run()\n")
    own = models | {"scorer": f"{sys.executable} -B {program / 'main.py'}"}
    (program / "rule.py").write_text(RULE.replace("STUTTERS", "True"))
    done = search(own, tmp_path / "run", "--alphas", "1", check=False)
    assert done.returncode == 3, done.stderr
    assert "none of them is kept" in done.stderr
    lines = (tmp_path / "run" / "answers.jsonl").read_text()
    assert '"score"' in lines  # some were kept before the stutter showed
    (program / "rule.py").write_text(RULE.replace("STUTTERS", "False"))
    search(own, tmp_path / "run", "--alphas", "1")
    search(own, tmp_path / "whole", "--alphas", "1")
    for name in ("search.json", "samples.jsonl"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_budget_that_is_too_small_is_named_with_one_that_does(tmp_path, models):
    done = search(models, tmp_path / "none", "--token-budget", "32", check=False)
    assert done.returncode == 2 and "too small for any search" in done.stderr, done.stderr
    assert list(tmp_path.iterdir()) == []
    done = search(models, tmp_path / "small", "--token-budget", "60", check=False)
    assert done.returncode == 2 and "another folder" in done.stderr, done.stderr
    paid = sum(row.get("tokens", 0) for row in read_rows(tmp_path / "small" / "answers.jsonl"))
    assert paid <= 60 + 24  # the answers to two prompts at one α
    enough = int(re.search(r"give at least (\d+)", done.stderr)[1])
    result = json.loads(search(models, tmp_path / "run", "--token-budget", enough, "--json").stdout)
    assert result["tokens"] <= 1.1 * enough


def preference_rows(count=60):
    texts = prompts(np.random.default_rng(SEED + 1), 3 * count, shortest=4)
    return [{"prompt": texts[i], "chosen": texts[i + count], "rejected": texts[i + 2 * count]} for i in range(count)]


@pytest.mark.parametrize("option", [
    ["--n", "2"], ["--samples", "2"], ["--temperature", "0"], ["--top-k", "3"], ["--top-p", "0.5"], ["--min-p", "0.1"],
    ["--presence-penalty", "0"], ["--frequency-penalty", "0"], ["--repetition-penalty", "1"], ["--max-new-tokens", "4"],
    ["--stop", "w9"], ["--stop-token-id", "7"], ["--ignore-eos"], ["--batch-size", "4"], ["--cache-size", "1GB"],
    ["--scorer-timeout", "3"]])
def test_pairs_refuse_what_answers_only_would_use(tmp_path, models, option):
    pairs = write_rows(tmp_path / "pairs.jsonl", preference_rows())
    done = expo("search", models["sft"], models["aligned"], "--pairs", pairs, "-o", tmp_path / "run", *option, check=False)
    assert done.returncode == 2, done.stderr
    name = "--n" if option[0] == "--samples" else option[0]
    assert f"{name} has no effect with" in done.stderr
    assert not (tmp_path / "run").exists()


def test_the_silence_of_no_program_is_refused(tmp_path, models):
    done = expo("search", models["sft"], models["aligned"], models["data"], "-o", tmp_path / "run", "--objective", "implicit",
                "--scorer-timeout", "3", check=False)
    assert done.returncode == 2 and "--scorer-timeout has no effect without --scorer" in done.stderr, done.stderr


def test_pairs_that_do_not_fit_are_found_before_the_search(tmp_path, models):
    rows = preference_rows()
    rows[4]["rejected"] = " ".join(["w9"] * 5000)
    pairs = write_rows(tmp_path / "pairs.jsonl", rows)
    arguments = ["search", models["sft"], models["aligned"], "--pairs", pairs, "-o", tmp_path / "run", "--alphas", "1",
                 "--threads", "1", "--json"]
    done = expo(*arguments, check=False)
    assert done.returncode == 3, done.stderr
    assert "pairs.jsonl:5: the conversation has" in done.stderr and "--skip-too-long" in done.stderr
    assert not (tmp_path / "run").exists()
    result = json.loads(expo(*arguments, "--skip-too-long").stdout)
    assert sum(result["prompts"][part] for part in ("choosing", "confirming")) == len({row["prompt"] for row in rows}) - 1
    assert any("not fit the model" in warning for warning in result["warnings"])


def test_prompts_are_the_same_however_they_are_written(tmp_path, models):
    rows = [{"id": f"m{i}", "messages": [{"role": "user", "content": row["prompt"]}], "bonus": 0}
            for i, row in enumerate(read_rows(models["data"]))]
    rows.append({"id": "again", "messages": [{"role": "user", "content": [{"type": "text", "text": rows[2]["messages"][0]["content"]}]}],
                 "bonus": 0})
    done = search(models | {"data": write_rows(tmp_path / "dev.jsonl", rows)}, tmp_path / "run", "--alphas", "1", check=False)
    assert done.returncode == 3 and "repeats the prompt of" in done.stderr, done.stderr
    rows[-1]["messages"] = [{"role": "system", "content": "w9"}, *rows[2]["messages"]]
    data = write_rows(tmp_path / "dev.jsonl", rows)
    done = search(models | {"data": data}, tmp_path / "run", "--alphas", "1", "--system", "w9", check=False)
    assert done.returncode == 3 and "repeats the prompt of" in done.stderr, done.stderr
    search(models | {"data": data}, tmp_path / "run", "--alphas", "1", "--system", "w10")


def test_rounding_that_bends_an_alpha_is_told(tmp_path, models):
    sft, aligned = tmp_path / "sft", tmp_path / "aligned"
    expo("convert", models["sft"], sft, "--out-dtype", "bf16")
    expo("extrapolate", models["sft"], models["aligned"], "-o", aligned, "--alpha", "-0.995", "--out-dtype", "bf16",
         "--rounding", "nearest")
    bent = models | {"sft": sft, "aligned": aligned}
    done = search(bent, tmp_path / "nearest", "--alphas", "0.5", "--json", "--dtype", "bf16", "--rounding", "nearest")
    result = json.loads(done.stdout)
    row = next(row for row in result["candidates"] if row["alpha"] == 0.5)
    assert abs(row["effective_alpha"] - 0.5) > 0.025
    assert f"α = 0.5 has the effect of {row['effective_alpha']:.4g}" in done.stderr
    # What a whole extrapolation measures is near what the sample told.
    report = json.loads(expo("extrapolate", sft, aligned, "-o", tmp_path / "out", "--alpha", "0.5", "--out-dtype", "bf16",
                             "--rounding", "nearest", "--json").stdout)
    assert row["effective_alpha"] == pytest.approx(report["delta"]["effective_alpha"], abs=0.1)
    assert row["lost"] == pytest.approx(report["delta"]["lost"], abs=0.1)
    text = search(bent, tmp_path / "nearest", "--alphas", "0.5", "--dtype", "bf16", "--rounding", "nearest").stdout
    assert f"with the effect of {row['effective_alpha']:.4g}" in text
    done = search(bent, tmp_path / "auto", "--alphas", "0.5", "--json")
    for row in json.loads(done.stdout)["candidates"]:
        assert row["effective_alpha"] == pytest.approx(row["alpha"], abs=0.02)
        assert (row["lost"] is None) == (row["alpha"] == 0)
    assert "with the effect of" not in search(bent, tmp_path / "auto", "--alphas", "0.5").stdout


def test_the_place_of_writing_is_checked_before_the_search(tmp_path, models):
    (tmp_path / "there").mkdir()
    run = tmp_path / "runs" / "one"
    for place, said in ((tmp_path / "there", "is there already"), (run, "is the folder of the search"),
                        (run / "out", "lies in the folder"), (tmp_path / "runs", "would hold the folder")):
        done = search(models, run, "--alphas", "1", "--write", place, check=False)
        assert done.returncode == 2 and said in done.stderr, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_guards_that_exclude_all_others_are_named(tmp_path, models):
    done = search(models, tmp_path / "run", "--alphas", "0.5,1", "--guard", "length<=0x")
    assert "no worthwhile gain: guards exclude every α above 0, which leaves α = 0" in done.stdout
    assert "the choosing part prefers" not in done.stdout


def test_a_column_that_the_prompt_would_hide_is_refused(tmp_path, models):
    rows = [{"question": row["prompt"], "prompt": "template", "bonus": 0} for row in read_rows(models["data"])]
    data = write_rows(tmp_path / "dev.jsonl", rows)
    done = search(models | {"data": data}, tmp_path / "run", "--alphas", "1", "--prompt-column", "question", check=False)
    assert done.returncode == 3 and "the row has a column prompt that is not what is asked" in done.stderr, done.stderr
    assert not (tmp_path / "run").exists()


def test_a_scorer_whose_command_names_no_file_is_told_of(tmp_path, models):
    done = search(models | {"scorer": "sh -c 'while read -r line; do echo ${#line}; done'"}, tmp_path / "run", "--alphas", "1")
    assert "names no file that could be watched: if the program changes" in done.stderr
    assert "names no file that could be watched" not in search(models, tmp_path / "other", "--alphas", "1").stderr


def test_models_may_take_turns_in_memory(tmp_path, models):
    reward = model(tmp_path / "reward", "llama_reward")
    other = model(tmp_path / "other", "llama", change=lambda tensors: {
        key: (value * 1.05).astype(value.dtype) for key, value in tensors.items()})
    arguments = ["search", models["sft"], models["aligned"], models["data"], "--reward-model", reward, "--baseline", other,
                 "--alphas", "1,2", "--strategy", "race", *NEW]
    together = expo(*arguments, "-o", tmp_path / "together")
    turns = expo(*arguments, "-o", tmp_path / "turns", "--one-at-a-time")
    assert turns.stdout.replace("/turns/", "/together/") == together.stdout  # the last line names the page
    for name in ("search.json", "samples.jsonl", "trace.jsonl"):
        assert (tmp_path / "turns" / name).read_bytes() == (tmp_path / "together" / name).read_bytes()


def test_a_template_that_tells_the_time_is_told_that_of_the_first_run(tmp_path, models):
    template = tmp_path / "template.jinja"
    template.write_text("{{ 'w' ~ (10 + strftime_now('%S') | int) }} {% for message in messages %}w3 {{ message.content }} "
                        "{% endfor %}w4 ")
    run = tmp_path / "run"
    options = ["--alphas", "1", "--chat-template", template]
    first = search(models, run, *options)
    record = json.loads((run / "run.json").read_text())
    moment = record["settings"]["moment"]
    # As if the first run, which was interrupted, had been a week ago.
    for settings in (record["settings"], record["settings"]["model"]):
        settings["moment"] = moment - 7 * 86400
    (run / "run.json").write_text(json.dumps(record))
    (run / "search.json").unlink()
    (run / "answers.jsonl").unlink()
    again = search(models, run, *options)
    # The same second of a minute: the same texts, and so the same answers.
    assert again.stdout == first.stdout
    assert json.loads((run / "run.json").read_text()) == record
