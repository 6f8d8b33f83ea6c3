"""`expo search` is killed at random moments, with each kind of search that keeps more than plain answers, and ends alike.

EXPO_SEARCH_KILLS sets how often each search is killed (3 times unless told; 50 where EXPO_LONG_TESTS is set)."""

import os
import random
import shutil
import subprocess
import time

import pytest

from checkpoints import EXPO, expo
from search_modules_test import command as modules_command
from search_modules_test import models as modules_models  # noqa: F401: a fixture
from search_objectives_test import brief  # noqa: F401: a fixture
from search_screening_test import found  # noqa: F401: a fixture
from search_test import assert_same_search, command, models  # noqa: F401: models is a fixture
from small_models import model, needs_engine

pytestmark = needs_engine
KILLS = int(os.environ.get("EXPO_SEARCH_KILLS", "50" if os.environ.get("EXPO_LONG_TESTS") else "3"))


def plain(request, folder):
    models = request.getfixturevalue("models")
    return lambda run: command(models, run, "--token-budget", "8000")


def also(request, folder):
    models = request.getfixturevalue("models")
    expo("extrapolate", models["sft"], models["aligned"], "-o", folder / "half" / "final", "--alpha", "-0.5", "--out-dtype", "f32")
    return lambda run: command(models, run, "--token-budget", "16000", "--also", folder / "half" / "final")


def modules(request, folder):
    models = request.getfixturevalue("modules_models")
    return lambda run: modules_command(models, run)


def second(request, folder):
    models, brief = request.getfixturevalue("models"), request.getfixturevalue("brief")
    reward = model(folder / "reward", "llama_reward")
    return lambda run: command(models, run, "--token-budget", "8000", "--second-scorer", brief, "--second-reward-model",
                               f"kind={reward}", "--second-implicit")


def screened(request, folder):
    kept, arguments, _ = request.getfixturevalue("found")
    return lambda run: [run if word == kept else word for word in arguments]


def tear(answers, moments):
    """Leaves a torn last line, as a power cut may."""
    if answers.exists() and answers.stat().st_size > 100:
        with open(answers, "rb+") as file:
            file.truncate(answers.stat().st_size - moments.randrange(1, 30))


@pytest.mark.parametrize("kind", [plain, also, modules, second, screened])
def test_killed_searches_end_as_undisturbed_ones(tmp_path, request, kind):
    seed = int(os.environ.get("EXPO_TEST_SEED", random.SystemRandom().randrange(2**32)))
    print("seed", seed)
    moments = random.Random(seed)
    whole, run = tmp_path / "whole", tmp_path / "killed"
    arguments = kind(request, tmp_path)
    start = time.monotonic()
    expo(*arguments(whole), "--deterministic")
    seconds = time.monotonic() - start
    words = [EXPO, *map(str, arguments(run)), "--deterministic"]
    kills = ends = 0
    while kills < KILLS and ends < 20 * KILLS:
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            _, said = process.communicate(timeout=moments.uniform(0.1, 0.9) * seconds)
            assert process.returncode == 0, said
            ends += 1
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills += 1
        if (run / "search.json").exists():
            assert_same_search(run, whole)
            shutil.rmtree(run)
        elif moments.random() < 0.3:
            tear(run / "answers.jsonl", moments)
    print("killed", kills, "ended", ends)
    assert kills
    expo(*words[1:])
    assert_same_search(run, whole)
