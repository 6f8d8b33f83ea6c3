"""Builds and runs examples/consumer against the installed package, as a program of somebody else would be."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

ROOT = Path(os.environ.get("EXPO_SOURCE_DIR", Path(__file__).parents[1]))
BUILD = Path(os.environ.get("EXPO_BUILD_DIR", ROOT / "build/release"))


def run(*command, **options):
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    return result.stdout


@pytest.fixture(scope="module")
def consumer(tmp_path_factory):
    """The example, built with nothing but an installation of the project."""
    folder = tmp_path_factory.mktemp("consumer")
    prefix, source, build = folder / "prefix", folder / "source", folder / "build"
    run("cmake", "--install", BUILD, "--prefix", prefix)
    shutil.copytree(ROOT / "examples/consumer", source)
    cache = (BUILD / "CMakeCache.txt").read_text()
    sanitizers = next((line.split("=", 1)[1] for line in cache.splitlines()
                       if line.startswith("EXPO_SANITIZE:")), "")
    flags = [f"-DCMAKE_CXX_FLAGS=-fsanitize={sanitizers}"] if sanitizers else []
    run("cmake", "-S", source, "-B", build, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}", *flags)
    run("cmake", "--build", build)
    yield build / "consumer"
    shutil.rmtree(folder)


@pytest.fixture
def pair(tmp_path):
    seed = 20240418
    print("seed", seed)
    random = np.random.default_rng(seed)
    sft = {"a.weight": random.normal(0, 0.02, (64, 48)), "b.weight": random.normal(0, 1, 300)}
    sft = {name: value.astype(ml_dtypes.bfloat16) for name, value in sft.items()}
    aligned = {name: (value.astype(np.float64) * random.normal(1, 0.05, value.shape)).astype(value.dtype)
               for name, value in sft.items()}
    for name, weights in (("sft", sft), ("aligned", aligned)):
        (tmp_path / name).mkdir()
        save_file(weights, tmp_path / name / "model.safetensors", metadata={"format": "pt"})
        (tmp_path / name / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    return tmp_path, sft, aligned


def test_it_extrapolates_as_float64_does(consumer, pair):
    folder, sft, aligned = pair
    delta = json.loads(run(consumer, folder / "sft", folder / "aligned", folder / "out", "0.7"))
    written = load_file(folder / "out/model.safetensors")
    assert set(written) == set(sft)
    square_change = square = 0.0
    for name in sft:
        theta, theta_sft = aligned[name].astype(np.float64), sft[name].astype(np.float64)
        expected = (theta + 0.7 * (theta - theta_sft)).astype(ml_dtypes.bfloat16)
        assert written[name].tobytes() == expected.tobytes()
        square_change += ((theta - theta_sft) ** 2).sum()
        square += (theta**2).sum()
    assert delta["relative_norm"] == pytest.approx((square_change / square) ** 0.5, rel=1e-12)


def test_errors_reach_the_caller_as_exceptions(consumer, pair):
    folder, _, _ = pair
    result = subprocess.run([consumer, folder / "sft", folder / "nowhere", folder / "out", "0.7"],
                            capture_output=True, text=True)
    assert result.returncode == 3
    assert "nowhere" in result.stderr
    assert not (folder / "out").exists()


def test_installed_headers_compile_alone(consumer, tmp_path):
    prefix = consumer.parents[1] / "prefix"
    headers = sorted((prefix / "include").rglob("*.h"))
    assert headers
    text = "".join(f'#include "{header.relative_to(prefix / "include")}"\n' for header in headers)
    (tmp_path / "all.cpp").write_text(text)
    compiler = os.environ.get("CXX", "c++")
    run(compiler, "-std=c++20", "-fsyntax-only", f"-I{prefix / 'include'}", tmp_path / "all.cpp")
    assert (prefix / "bin/expo").is_file()


def test_the_installed_program_finds_its_engine(consumer):
    prefix = consumer.parents[1] / "prefix"
    result = subprocess.run([prefix / "bin/expo", "generate", "nowhere", "--prompt", "w"], capture_output=True, text=True)
    if (prefix / "libexec/expo/expo-engine").exists():
        assert result.returncode == 3 and "nowhere" in result.stderr, result.stderr
    else:
        assert result.returncode == 4 and "EXPO_TORCH" in result.stderr, result.stderr


def test_tokenizes(consumer):
    goldens = ROOT / "tests/text/goldens"
    listed = json.loads((goldens / "tokenizer_ids.json").read_text(encoding="utf-8"))["sentence_piece"]["with_special"][0]
    line = (goldens / "torture.utf8").read_bytes().decode().split("\n")[0]
    ids = run(consumer.with_name("tokenize"), goldens / "sentence_piece.tokenizer.json", line)
    assert [int(word) for word in ids.split()] == listed
