"""Numbers that Python reads and writes and others do not: NaN and Infinity in configurations and in rows of data sets, and
integers of any size in rows."""

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


INTEGERS = [2**64, -2**63 - 1, 123456789012345678901234567890, 2**64 - 1, -2**63, 10**400 + 7]


@needs_engine
@pytest.mark.parametrize("suffix", ["jsonl", "json"])
def test_integers_of_any_size_pass_through_score(tmp_path, suffix):
    reward = model(tmp_path / "reward", "llama_reward")
    rows = [ROW | {"id": number, "n": [number, {"m": -number}], "half": 1e22} for number in INTEGERS]
    out = tmp_path / f"out.{suffix}"
    done = expo("score", reward, dumped(tmp_path / f"data.{suffix}", rows), "-o", out, "--json")
    scored = strict_rows(out)
    assert [{key: row[key] for key in rows[0]} for row in scored] == rows
    assert all(isinstance(row["reward"], float) for row in scored)
    assert not [text for text in json.loads(done.stdout)["warnings"] if "NaN" in text]
    printed = expo("score", reward, tmp_path / f"data.{suffix}").stdout.splitlines()
    assert [json.loads(line)["n"] for line in printed] == [row["n"] for row in rows]


@needs_engine
@pytest.mark.parametrize("form", ["plain", "ultrafeedback"])
def test_integers_of_any_size_pass_through_generate(tmp_path, form):
    policy = model(tmp_path / "policy")
    rows = [{"prompt": "w8 w9", "id": number, "n": {"m": [number]}} for number in INTEGERS]
    data, out = dumped(tmp_path / "data.jsonl", rows), tmp_path / "out.jsonl"
    expo("generate", policy, data, "-o", out, "--format", form, "--max-new-tokens", "3")
    answered = strict_rows(out)
    assert [int(row.get("id", row.get("prompt_id"))) for row in answered] == INTEGERS
    if form == "plain":
        assert [row["n"] for row in answered] == [row["n"] for row in rows]


@needs_engine
def test_ids_beyond_64_bits_tell_prompts_apart(tmp_path):
    policy = model(tmp_path / "policy")
    rows = [{"prompt": "w8", "id": 10**25}, {"prompt": "w9", "id": 10**25 + 1}]  # one double for both
    expo("generate", policy, dumped(tmp_path / "data.jsonl", rows), "-o", tmp_path / "out.jsonl", "--max-new-tokens", "2")
    rows[1]["id"] = 10**25
    done = expo("generate", policy, dumped(tmp_path / "same.jsonl", rows), "-o", tmp_path / "same_out.jsonl", check=False)
    assert done.returncode == 3 and f'the id "{10**25}" occurs twice with different prompts' in done.stderr


@needs_engine
@pytest.mark.parametrize("text,word", [("1e400", "Infinity"), ("-1E+999", "-Infinity")])
def test_a_float_beyond_doubles_is_infinite_as_in_python(tmp_path, text, word):
    assert json.dumps(json.loads(text)) == word
    reward = model(tmp_path / "reward", "llama_reward")
    data = tmp_path / "data.jsonl"
    data.write_text(f'{{"prompt": "w8", "output": "w9", "far": {text}}}\n')
    done = expo("score", reward, data, "-o", tmp_path / "out.jsonl")
    assert strict_rows(tmp_path / "out.jsonl")[0]["far"] is None and f"data.jsonl:1 (far is {word})" in done.stderr
    data.write_text(f'{{"prompt": {text}, "output": "w9"}}\n')
    done = expo("score", reward, data, "-o", tmp_path / "other.jsonl", check=False)
    assert done.returncode == 3 and f"data.jsonl:1: the column prompt is {word}" in done.stderr


@needs_engine
@pytest.mark.parametrize("suffix", ["jsonl", "json"])
def test_files_of_windows_are_read_or_named(tmp_path, suffix):
    reward = model(tmp_path / "reward", "llama_reward")
    text = dumped(tmp_path / f"plain.{suffix}", [ROW, ROW]).read_text()
    (tmp_path / f"marked.{suffix}").write_text(text, encoding="utf-8-sig")
    (tmp_path / f"wide.{suffix}").write_text(text, encoding="utf-16")
    for name in ("plain", "marked"):
        expo("score", reward, tmp_path / f"{name}.{suffix}", "-o", tmp_path / f"{name}_out.jsonl")
    assert (tmp_path / "plain_out.jsonl").read_bytes() == (tmp_path / "marked_out.jsonl").read_bytes()
    done = expo("score", reward, tmp_path / f"wide.{suffix}", check=False)
    assert done.returncode == 3 and f"wide.{suffix}: is UTF-16" in done.stderr and "save it as UTF-8" in done.stderr


@needs_engine
def test_a_template_variable_keeps_its_digits_in_the_settings(tmp_path):
    policy = model(tmp_path / "policy")
    data = dumped(tmp_path / "data.jsonl", [{"prompt": "w8"}])

    def generate(number, **options):
        return expo("generate", policy, data, "-o", tmp_path / "out.jsonl", "--max-new-tokens", "2", "--resume",
                    "--template-variable", f"n={number}", **options)

    generate(10**25)
    generate(10**25)
    done = generate(10**25 + 1, check=False)
    assert done.returncode == 2 and f"n was {10**25} and is {10**25 + 1}" in done.stderr
