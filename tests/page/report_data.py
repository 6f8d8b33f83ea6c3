"""Data of the page (the schema expo-report-1), made from the folders of runs; independent of the program."""

import base64
import gzip
import json
from pathlib import Path

PLACEHOLDER = "@EXPO_REPORT_DATA@"
NOTHING = {"prompts": {"id": [], "part": [], "text": [], "messages": []}, "labels": [],
           "answers": {name: [] for name in ("label", "prompt", "sample", "text", "score", "tokens", "ending")}}


def report(*runs, **other):
    return {"schema": "expo-report-1", "expo": "0.1.0", "made": "2026-11-30T10:00:00Z",
            "command": "expo report run -o report.html", "runs": list(runs)} | other


def packed(data):
    text = data if isinstance(data, str) else json.dumps(data)
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def page_with(template, data):
    assert template.count(PLACEHOLDER) == 1
    return template.replace(PLACEHOLDER, packed(data))


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def whole(path):
    return json.loads(path.read_text()) if path.exists() else None


def last_user_turn(messages):
    return next((turn["content"] for turn in reversed(messages) if turn["role"] == "user"), "")


def kept_answers(folder, longest):
    """Answers by candidate, prompt and sample; what the screening cut is not among them."""
    found, scores = {}, {}
    for line in rows(folder / "answers.jsonl"):
        if "scorer" in line:
            scores.setdefault((line["key"], line["limit"]), line["score"])  # the deciding one is asked first
        elif "text" in line and not (line["finish_reason"] == "length" and line["limit"] < longest):
            found[line["candidate"], str(line["prompt"]), line["sample"]] = line
    return {place: line | {"score": scores.get((line["key"], line["limit"]))} for place, line in found.items()}


def prompt_columns(folder, data, ids, confirming):
    texts = {str(row.get("id", i)): row["prompt"] for i, row in enumerate(rows(Path(data)))} if data else {}
    for row in rows(folder / "samples.jsonl"):
        texts[str(row["prompt_id"])] = last_user_turn(row["messages"])
    return {"id": ids, "part": ["confirming" if each in confirming else "choosing" for each in ids],
            "text": [texts.get(each, "") for each in ids], "messages": [None] * len(ids)}


def search_run(folder, name="search", data=None):
    """A folder of expo search. Older ones hold no texts of prompts: `data` names the rows that were asked."""
    folder = Path(folder)
    settings, result = whole(folder / "run.json"), whole(folder / "search.json")
    answers = kept_answers(folder, settings["settings"]["answers"]["max_new_tokens"])
    labels = list(dict.fromkeys(label for label, _, _ in answers))
    confirming = {prompt for label, prompt, _ in answers if label == "α = -1"}
    ids = sorted({prompt for _, prompt, _ in answers}, key=lambda each: (len(each), each))
    listed = [(labels.index(label), ids.index(prompt), sample, line) for (label, prompt, sample), line in answers.items()]
    return {"kind": "search", "name": name, "folder": str(folder), "missing": [], "result": result, "settings": settings,
            "sessions": [], "looks": rows(folder / "trace.jsonl"), "labels": labels,
            "prompts": prompt_columns(folder, data, ids, confirming),
            "answers": {"label": [each[0] for each in listed], "prompt": [each[1] for each in listed],
                        "sample": [each[2] for each in listed], "text": [each[3]["text"] for each in listed],
                        "score": [each[3]["score"] for each in listed], "tokens": [each[3]["tokens"] for each in listed],
                        "ending": [each[3]["finish_reason"] for each in listed]}}


def train_run(folder, name="training"):
    folder = Path(folder)
    return {"kind": "train", "name": name, "folder": str(folder), "missing": [], "sessions": [],
            "settings": whole(folder / "run.json"), "metrics": rows(folder / "metrics.jsonl")}


def inspection_run(inspection, name="inspection"):
    return {"kind": "inspection", "name": name, "folder": "inspection.json", "missing": [], "inspection": inspection}
