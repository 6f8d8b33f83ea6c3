"""Nothing is lost: finished shards, files of others, and runs whose names are no text."""

import json
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from checkpoints import EXPO, checkpoint, expo, load, pair


@pytest.fixture
def rng():
    return np.random.default_rng(20261125)


def test_overwrite_spares_what_is_no_part_of_a_checkpoint(tmp_path, rng):
    sft, aligned, _, _ = pair(tmp_path, rng)
    arguments = ("extrapolate", sft, aligned, "-o", tmp_path / "out", "--alpha", 0.5, "--overwrite")
    expo(*arguments)
    expo(*arguments)  # what it wrote itself it may replace
    for name in ("thesis.docx", "runs/exp1/model.safetensors", "checkpoint-5/global_step5/rank.pt", "notes/a.txt"):
        path = tmp_path / "out" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
        done = expo(*arguments, check=False)
        assert done.returncode == 2 and f"holds {name}, which is no part of a checkpoint" in done.stderr, done.stderr
        assert path.read_text() == "mine"
        path.unlink()
        for parent in [p for p in path.parents if p != tmp_path / "out" and (tmp_path / "out") in p.parents]:
            parent.rmdir()
    (tmp_path / "out/additional_chat_templates").mkdir()
    (tmp_path / "out/additional_chat_templates/tool_use.jinja").write_text("{{ messages }}")
    expo(*arguments)


@pytest.mark.parametrize("place", ["aligned", "out"])
def test_paths_need_not_be_text(tmp_path, rng, place):
    sft, aligned, _, tensors = pair(tmp_path, rng)
    odd = os.fsencode(tmp_path) + b"/odd\xff"
    try:
        if place == "aligned":
            os.rename(aligned, odd)
    except OSError:
        pytest.skip("this filesystem takes text only")
    theta, out = (odd, os.fsencode(tmp_path / "out")) if place == "aligned" else (os.fsencode(aligned), odd)
    for command in (["extrapolate", os.fsencode(sft), theta, "-o", out, "--alpha", "0.5", "--json"],
                    ["inspect", out, "--json"], ["convert", theta, out + b"2", "--json"]):
        done = subprocess.run([EXPO, *command], capture_output=True)
        assert done.returncode == 0, done.stderr
        json.loads(done.stdout)
    os.rename(out, tmp_path / "plain")
    assert load(tmp_path / "plain").keys() == tensors.keys()


def test_an_output_inside_a_bare_input_is_refused(tmp_path):
    bare = checkpoint(tmp_path / "bare", {"w": np.ones((4, 4), np.float32)}, config=None)
    done = expo("convert", bare, bare / "out", check=False)
    assert done.returncode == 2 and "inside the input" in done.stderr, done.stderr


@pytest.mark.parametrize("content", ["version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4\n",
                                     "<!DOCTYPE html><html><body>Sign in</body></html>", "GGUF" + "\0" * 60])
@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_what_stands_in_place_of_weights_is_called_by_its_name(tmp_path, content, name):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / name).write_text(content)
    done = expo("inspect", tmp_path / "model", check=False)
    assert done.returncode == 3
    expected = {"v": "git lfs pull", "<": "a web page", "G": "ends in .gguf"}[content[0]]
    assert expected in done.stderr, done.stderr


def test_threads_that_cannot_be_had_are_done_without(tmp_path, rng):
    cache = Path(os.environ["EXPO_BUILD_DIR"], "CMakeCache.txt").read_text()
    if re.search(r"^EXPO_SANITIZE:\w+=.", cache, re.MULTILINE):
        pytest.skip("a sanitizer needs more address space than is left here")
    sft, aligned, _, _ = pair(tmp_path, rng)
    few = "import resource, os, sys; resource.setrlimit(resource.RLIMIT_AS, (400 << 20,) * 2); os.execv(sys.argv[1], sys.argv[1:])"
    done = subprocess.run(["python3", "-c", few, EXPO, "extrapolate", sft, aligned, "-o", tmp_path / "out", "--alpha", "1",
                           "--threads", "512"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expo("extrapolate", sft, aligned, "-o", tmp_path / "plain", "--alpha", 1)
    a, b = load(tmp_path / "out"), load(tmp_path / "plain")
    assert all(a[name].tobytes() == b[name].tobytes() for name in b)
