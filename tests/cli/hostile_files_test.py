"""Files that were made to harm: what the program prints of them, and what it takes from them."""

import json
import os

import numpy as np
import pytest
from checkpoints import checkpoint, expo, save

# A terminal's escape, the same as one character of Latin-1, and lines of somebody else.
HOSTILE = "model.layers.0.\x1b[2J\u009b31m\r.evil\nVerdict: fine"
SHOWN = "\\x1b[2J\\xc2\\x9b31m\\x0d.evil\\x0aVerdict: fine"


def controls(text):
    return {c for c in text if (ord(c) < 32 and c != "\n") or 0x7F <= ord(c) < 0xA0}


def hostile_pair(folder):
    rng = np.random.default_rng(3)
    values = rng.standard_normal((8, 8)).astype(np.float32)
    sft = {HOSTILE: values, HOSTILE + ".only": values[0], HOSTILE + ".wide": values}
    aligned = {HOSTILE: values + np.float32(0.001), HOSTILE + ".wide": np.float32(np.inf) * np.ones((9, 8), np.float32)}
    return checkpoint(folder / "sft", sft), checkpoint(folder / "aligned", aligned)


@pytest.mark.parametrize("arguments", [
    ["inspect", "{sft}", "--tensors"],
    ["inspect", "{aligned}", "--check"],
    ["inspect", "{sft}", "{aligned}", "--tensors"],
    ["extrapolate", "{sft}", "{aligned}", "--alpha", "0.5", "--on-mismatch", "common-rows", "-o", "{out}"],
    ["extrapolate", "{sft}", "{aligned}", "--alpha", "0.5", "--on-mismatch", "common-rows", "-o", "{out}",
     "--dry-run"],
], ids=["inspect", "check", "pair", "extrapolate", "dry run"])
def test_names_cannot_steer_the_terminal(tmp_path, arguments):
    sft, aligned = hostile_pair(tmp_path)
    done = expo(*(word.format(sft=sft, aligned=aligned, out=tmp_path / "out") for word in arguments))
    assert not controls(done.stdout + done.stderr)
    assert "evil" in done.stdout
    assert "\nVerdict: fine" not in done.stdout + done.stderr


def test_a_whole_name_is_shown_escaped(tmp_path):
    sft, _ = hostile_pair(tmp_path)
    assert SHOWN in expo("inspect", sft, "--tensors").stdout
    assert HOSTILE in [t["name"] for t in json.loads(expo("inspect", sft, "--json").stdout)["tensors"]]


def test_warnings_cannot_steer_the_terminal(tmp_path):
    folder = checkpoint(tmp_path / "m", {"a.weight": np.zeros((2, 2), np.float32)})
    os.symlink("/etc/passwd", folder / "vocab.\x1b[2J\u009b.txt")
    done = expo("inspect", folder)
    assert "vocab.\\x1b[2J\\xc2\\x9b.txt" in done.stderr
    assert not controls(done.stderr)


def test_files_of_the_machine_are_not_copied(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("do not tell")
    folder = checkpoint(tmp_path / "m", {"a.weight": np.zeros((2, 2), np.float32)}, LICENSE="free")
    (folder / "vocab.txt").symlink_to(secret)
    (folder / "merges.txt").symlink_to("LICENSE")
    done = expo("convert", folder, tmp_path / "out")
    assert f"{folder}/vocab.txt: is a link that leads out of the folder, to {secret}" in done.stderr
    assert not (tmp_path / "out/vocab.txt").exists()
    assert (tmp_path / "out/merges.txt").read_text() == "free"


@pytest.mark.parametrize("name", ["vocab.txt", "LICENSE"])
def test_a_pipe_beside_the_weights_is_passed_over(tmp_path, name):
    folder = checkpoint(tmp_path / "m", {"a.weight": np.zeros((2, 2), np.float32)})
    os.mkfifo(folder / name)
    expo("convert", folder, tmp_path / "out", timeout=120)
    assert not (tmp_path / "out" / name).exists()


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_pipe_in_place_of_a_file_is_refused(tmp_path, name):
    folder = checkpoint(tmp_path / "m", {"a.weight": np.zeros((2, 2), np.float32)})
    (folder / name).unlink()
    os.mkfifo(folder / name)
    done = expo("inspect", folder, check=False, timeout=120)
    assert done.returncode == 3
    assert f"{name}: not a regular file" in done.stderr


def test_counts_of_many_kinds(tmp_path):
    kinds = 3000
    tensors = {f"model.layers.{i % 5}.kind{i % kinds}.{i}": np.zeros(1 + i % 3, np.float16) for i in range(2 * kinds)}
    expected = {}
    for i, values in enumerate(tensors.values()):
        entry = expected.setdefault(f"kind{i % kinds}", {"tensors": 0, "elements": 0})
        entry["tensors"] += 1
        entry["elements"] += values.size
    folder = tmp_path / "m"
    folder.mkdir()
    save(folder / "model.safetensors", tensors)
    report = json.loads(expo("inspect", folder, "--json").stdout)
    assert report["kinds"] == expected
    assert list(report["kinds"]) == list(expected)
    assert report["dtypes"] == {"F16": {"tensors": 2 * kinds, "elements": sum(e["elements"] for e in expected.values())}}


def test_reports_of_many_kinds(tmp_path):
    kinds = 400
    rng = np.random.default_rng(4)
    sft = {f"kind{i % kinds}.{i}": rng.standard_normal(4).astype(np.float32) for i in range(2 * kinds)}
    aligned = {name: values + np.float32(0.01) for name, values in sft.items()}
    done = expo("extrapolate", checkpoint(tmp_path / "a", sft), checkpoint(tmp_path / "b", aligned), "--alpha", "0.5",
                "-o", tmp_path / "out", "--json")
    groups = json.loads(done.stdout)["groups"]
    assert list(groups) == [f"kind{i}" for i in range(kinds)]
    for i in range(kinds):
        theta = np.concatenate([aligned[f"kind{i}.{j}"] for j in (i, i + kinds)]).astype(np.float64)
        delta = theta - np.concatenate([sft[f"kind{i}.{j}"] for j in (i, i + kinds)]).astype(np.float64)
        assert groups[f"kind{i}"]["elements"] == 8
        assert groups[f"kind{i}"]["relative_norm"] == pytest.approx(np.linalg.norm(delta) / np.linalg.norm(theta))
