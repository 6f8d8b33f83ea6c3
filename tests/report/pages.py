"""What a page of expo report holds, and what the folder of a run holds, both read by Python alone."""

import base64
import gzip
import json
import re
from pathlib import Path


def decoded(page):
    text = Path(page).read_bytes().decode("utf-8")
    (block,) = re.findall(r'<script type="application/octet-stream" id="data">([A-Za-z0-9+/=]*)</script>', text)
    return json.loads(gzip.decompress(base64.b64decode(block, validate=True)))


def only_run(page):
    (run,) = decoded(page)["runs"]
    return run


def lines(path):
    """The whole lines of a file of JSON lines; what is not Unicode is U+FFFD."""
    if not path.exists():
        return []
    whole = path.read_bytes().decode("utf-8", "replace").split("\n")[:-1]
    return [json.loads(line) for line in whole]


def without_surrogates(value):
    """Python reads half a surrogate pair, which no other Unicode text may hold."""
    if isinstance(value, str):
        return "".join("\ufffd" if 0xD800 <= ord(letter) < 0xE000 else letter for letter in value)
    if isinstance(value, list):
        return [without_surrogates(each) for each in value]
    if isinstance(value, dict):
        return {key: without_surrogates(each) for key, each in value.items()}
    return value


def text_of(messages):
    """What the user's last turn says."""
    content = [turn for turn in messages if turn["role"] == "user"][-1]["content"]
    return content if isinstance(content, str) else " ".join(part["text"] for part in content)


def expected_prompts(folder):
    return {row["prompt"]: (row["part"], text_of(row["messages"]), row["messages"] if len(row["messages"]) > 1 else None)
            for row in without_surrogates(lines(folder / "prompts.jsonl"))}


def shown_prompts(run):
    columns = run["prompts"]
    assert len({len(column) for column in columns.values()}) == 1
    return {identity: row for identity, *row in
            zip(columns["id"], *(columns[name] for name in ("part", "text", "messages")))}


def expected_answers(folder):
    """{(candidate, prompt, sample): (text, score, tokens, ending)}, by the rules of docs/search.md."""
    most = json.loads((folder / "run.json").read_text())["settings"]["answers"]["max_new_tokens"]
    answers, scores, deciding = {}, {}, None
    for line in without_surrogates(lines(folder / "answers.jsonl")):
        place = (line.get("key"), line.get("limit"))
        if "void" in line:
            scores = {each: score for each, score in scores.items() if not each[1].startswith(line["void"])}
        elif "scorer" in line:
            deciding = deciding or line["scorer"].split("/")[0]
            scores.setdefault((place, line["scorer"]), line["score"])
        elif "text" in line:
            answers.setdefault(place, line)
    result = {}
    for place, line in answers.items():
        is_cut = line["finish_reason"] == "length" and line["limit"] is not None and line["tokens"] >= line["limit"] \
            and (most is None or line["limit"] < most)
        if is_cut:
            continue
        score = [value for (each, scorer), value in scores.items() if each == place and scorer.split("/")[0] == deciding]
        name = (line["candidate"], line["prompt"], line["sample"])
        assert name not in result
        result[name] = (line["text"], score[0] if score else None, line["tokens"], line["finish_reason"])
    return result


def shown_answers(run):
    columns = run["answers"]
    assert len({len(column) for column in columns.values()}) == 1
    rows = list(zip(*(columns[name] for name in ("label", "prompt", "sample", "text", "score", "tokens", "ending"))))
    shown = {(run["labels"][label], run["prompts"]["id"][prompt], sample): tuple(rest)
             for label, prompt, sample, *rest in rows}
    assert len(shown) == len(rows)
    return shown
