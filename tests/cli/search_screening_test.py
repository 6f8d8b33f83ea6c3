"""`expo search` drops an α whose answers never end, before it costs the whole limit on every prompt."""

import json
import sys

import numpy as np
import pytest

from checkpoints import expo
from search_test import SCORER
from small_models import model, needs_engine, prompts, read_rows, write_rows

pytestmark = needs_engine
LIMIT = 200


def ending_model(folder, end):
    """A model that is inclined to end its answer at every token, by as much as `end` says."""
    def change(tensors):
        embeddings = tensors["model.embed_tokens.weight"].astype(np.float32)
        head = tensors["lm_head.weight"].astype(np.float32)
        embeddings[:, 0] += 3  # so that the first number of every state is large
        head[:, 0] = 0
        head[2] = 0
        head[2, 0] = end
        return tensors | {"model.embed_tokens.weight": embeddings, "lm_head.weight": head}
    return model(folder, config={"max_position_embeddings": 512}, change=change)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The folder of a search whose pair ends its answers at α = 0, and hardly from α = 8 on."""
    folder = tmp_path_factory.mktemp("endless")
    sft, aligned = ending_model(folder / "sft", 1.5 * 1.125), ending_model(folder / "aligned", 1.5)
    (folder / "scorer.py").write_text(SCORER)
    texts = sorted(set(prompts(np.random.default_rng(3), 140, shortest=3)))
    data = write_rows(folder / "dev.jsonl", [{"prompt": text, "bonus": 0} for text in texts])
    arguments = ["search", sft, aligned, data, "-o", folder / "run", "--scorer", f"{sys.executable} {folder / 'scorer.py'}",
                 "--max-new-tokens", LIMIT, "--threads", "1", "--deterministic"]
    return folder / "run", arguments, expo(*arguments)


def answers_at(run, label):
    return [row for row in read_rows(run / "answers.jsonl") if "text" in row and row["candidate"] == label]


def test_what_never_ends_is_dropped_and_the_result_says_why(found):
    run, _, done = found
    result = json.loads((run / "search.json").read_text())
    dropped = {row["alpha"]: row for row in result["candidates"] if row["collapsed"]}
    assert {8, 16, 25} <= set(dropped) and 0 not in dropped and 0.1 not in dropped
    cap = dropped[25]["collapsed"]["cap"]
    for alpha, row in dropped.items():
        said, answers = row["collapsed"], answers_at(run, f"α = {alpha:g}")
        under_cap = [each for each in answers if each["limit"] == cap]
        let_go_on = [each for each in answers if each["limit"] == LIMIT]
        assert said["kind"] == "endless" and said["answers"] == len(under_cap) > 5
        assert said["share"] == np.mean([each["finish_reason"] == "length" for each in under_cap])
        assert [each["tokens"] for each in let_go_on] == [LIMIT] * 2
        assert row["choosing"] is None and not row["eligible"]
        assert all(each["tokens"] <= cap for each in under_cap)
        assert f"α = {alpha:g} is dropped: endless: " in done.stderr
    lengths = [row["tokens"] for row in answers_at(run, "α = 0")][:dropped[25]["collapsed"]["answers"]]
    assert cap == max(64, 2 * sorted(lengths)[int(np.ceil(0.95 * len(lengths))) - 1])
    assert f"collapsed: endless: 100 % of its answers reach {cap} tokens, 0 % at α = 0" in done.stdout
    assert {row["dropped"] for row in read_rows(run / "trace.jsonl") if "dropped" in row} == set(dropped)


def test_all_tokens_count_and_no_answer_is_made_twice(found):
    run, _, _ = found
    result = json.loads((run / "search.json").read_text())
    answers = [row for row in read_rows(run / "answers.jsonl") if "text" in row]
    assert len({(row["key"], row["limit"]) for row in answers}) == len(answers)
    whole = {}
    for row in answers:
        whole.setdefault(row["key"], []).append(row)
    for rows in whole.values():  # one that the cap cut went on from there
        assert len(rows) == 1 or ([row["finish_reason"] for row in rows][0] == "length" and len(rows[0]["ids"]) == rows[0]["tokens"])
    assert any(len(rows) == 2 for rows in whole.values())
    assert result["tokens"] == sum(rows[-1]["tokens"] for rows in whole.values())


def test_an_answer_that_went_on_is_the_one_that_was_never_cut(found, tmp_path):
    run, arguments, _ = found
    again = [str(word) if word != run else tmp_path / "run" for word in arguments]
    expo(*again, "--alphas", "8", "--limit", "60")
    uncut = {row["key"]: row for row in read_rows(tmp_path / "run" / "answers.jsonl") if "text" in row}
    rows = [row for row in read_rows(run / "answers.jsonl") if "text" in row]
    begun = {row["key"] for row in rows if "ids" in row}
    went_on = [row for row in rows if row["key"] in begun and "ids" not in row and row["key"] in uncut]
    assert went_on
    for row in went_on:
        assert (row["text"], row["tokens"]) == (uncut[row["key"]]["text"], uncut[row["key"]]["tokens"])


def test_a_resumed_search_drops_the_same(found):
    run, arguments, done = found
    files = {name: (run / name).read_bytes() for name in ("search.json", "trace.jsonl", "answers.jsonl")}
    (run / "search.json").unlink()
    assert expo(*arguments).stdout == done.stdout
    assert {name: (run / name).read_bytes() for name in files} == files


def test_a_list_of_alphas_is_answered_whole(found, tmp_path):
    _, arguments, _ = found
    again = [str(word) if word != found[0] else tmp_path / "run" for word in arguments]
    result = json.loads(expo(*again, "--alphas", "25", "--limit", "40", "--json").stdout)
    row = next(row for row in result["candidates"] if row["alpha"] == 25)
    assert row["collapsed"] is None and row["choosing"]["truncated"] > 0.9
