"""NaN and Infinity, which Python's json.dumps writes into JSON: in configurations, and in rows of data sets."""

import json

import ml_dtypes
import numpy as np
import pytest
from checkpoints import checkpoint, expo
from small_models import model, needs_engine

WEIGHTS = {"w": np.ones(4, ml_dtypes.bfloat16)}
ROW = {"prompt": "w8 w9", "output": "w70"}


def strict_rows(path):
    """The rows by a reader that takes no number which JSON has not."""
    def refuse(word):
        raise AssertionError(f"{word} is no JSON")
    text = path.read_text()
    lines = [text] if path.suffix == ".json" else text.splitlines()
    rows = [json.loads(line, parse_constant=refuse) for line in lines]
    return rows[0] if path.suffix == ".json" else rows


def dumped(path, rows):
    path.write_text(json.dumps(rows) if path.suffix == ".json" else "".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("value,word", [(float("nan"), "NaN"), (float("inf"), "Infinity"), (-float("inf"), "-Infinity")])
def test_a_configuration_with_it_is_refused_by_name_and_place(tmp_path, value, word):
    config = {"architectures": ["LlamaForCausalLM"], "rope_scaling": {"factors": [1.0, value]}}
    a, b = checkpoint(tmp_path / "a", WEIGHTS), checkpoint(tmp_path / "b", WEIGHTS)
    (b / "config.json").write_text(json.dumps(config, indent=2))
    line, text = next((i + 1, text) for i, text in enumerate((b / "config.json").read_text().splitlines()) if word in text)
    done = expo("extrapolate", a, b, "--alpha", 1, "-o", tmp_path / "out", check=False)
    assert done.returncode == 3 and not (tmp_path / "out").exists()
    assert f"{b}/config.json: {word} at line {line}, column {text.index(word) + 1} (rope_scaling.factors[1])" in done.stderr
    assert "json.dumps" in done.stderr and "null" in done.stderr and "damaged" not in done.stderr


def test_an_index_with_it(tmp_path):
    folder = checkpoint(tmp_path / "a", WEIGHTS | {"v": WEIGHTS["w"]}, shards=2)
    index = folder / "model.safetensors.index.json"
    index.write_text(index.read_text().replace('"total_size": 16', '"total_size": NaN'))
    done = expo("inspect", folder, check=False)
    assert done.returncode == 3 and "NaN at column" in done.stderr and "(metadata.total_size)" in done.stderr


@needs_engine
@pytest.mark.parametrize("suffix", ["jsonl", "json"])
def test_score_writes_null_and_one_warning(tmp_path, suffix):
    reward = model(tmp_path / "reward", "llama_reward")
    rows = [ROW | {"margin": 1.5}, ROW | {"margin": float("nan"), "scores": {"mean": [1, -float("inf")]}},
            ROW | {"margin": None}, ROW | {"margin": float("inf")}]
    data = dumped(tmp_path / f"data.{suffix}", rows)
    clean = dumped(tmp_path / f"clean.{suffix}", [ROW] * 4)
    done = expo("score", reward, data, "-o", tmp_path / f"out.{suffix}", "--json")
    expo("score", reward, clean, "-o", tmp_path / f"plain.{suffix}")
    scored, plain = strict_rows(tmp_path / f"out.{suffix}"), strict_rows(tmp_path / f"plain.{suffix}")
    assert [row["margin"] for row in scored] == [1.5, None, None, None]
    assert scored[1]["scores"] == {"mean": [1, None]}
    assert [row["reward"] for row in scored] == [row["reward"] for row in plain]
    warning, = [text for text in json.loads(done.stdout)["warnings"] if "NaN" in text]
    place = f"{data}:2" if suffix == "jsonl" else f"{data}: entry 2"
    assert warning.startswith("2 rows hold") and f"{place} (margin is NaN)" in warning
    assert done.stderr.count("NaN or Infinity") == 1


@needs_engine
@pytest.mark.parametrize("suffix", ["jsonl", "json"])
@pytest.mark.parametrize("column", ["output", "prompt", "id"])
def test_a_used_column_is_refused(tmp_path, suffix, column):
    reward = model(tmp_path / "reward", "llama_reward")
    data = dumped(tmp_path / f"data.{suffix}", [ROW, ROW, ROW | {column: float("nan")}])
    done = expo("score", reward, data, "-o", tmp_path / "out.jsonl", check=False)
    place = f"{data}:3" if suffix == "jsonl" else f"{data}: entry 3"
    assert done.returncode == 3 and f"{place}: the column {column} is NaN" in done.stderr
    assert not (tmp_path / "out.jsonl").exists()


@needs_engine
def test_generate_passes_rows_on_with_null(tmp_path):
    policy = model(tmp_path / "policy")
    data = dumped(tmp_path / "data.jsonl", [{"prompt": "w8", "weight": float("nan")}, {"prompt": "w9", "weight": 2}])
    done = expo("generate", policy, data, "-o", tmp_path / "out.jsonl", "--format", "plain", "--max-new-tokens", "3", "--json")
    assert [row["weight"] for row in strict_rows(tmp_path / "out.jsonl")] == [None, 2]
    assert sum("data.jsonl:1 (weight is NaN)" in text for text in json.loads(done.stdout)["warnings"]) == 1
    refused = expo("generate", policy, dumped(tmp_path / "bad.jsonl", [{"prompt": float("nan")}]), "-o",
                   tmp_path / "bad_out.jsonl", check=False)
    assert refused.returncode == 3 and "bad.jsonl:1: the column prompt is NaN" in refused.stderr
