"""The simulations of a search have the prompts, the coupling and the lengths of the real pair's recording."""

import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(os.environ.get("EXPO_SOURCE_DIR", Path(__file__).parents[2]))
sys.path.insert(0, str(ROOT / "bench"))
pytest.importorskip("scipy")
import fit_simulation  # noqa: E402


def recording_of(path, scores, tokens, alphas):
    """Writes scores and tokens, arrays of candidate, prompt and sample."""
    head = {"samples": scores.shape[2], "prompts": [str(number) for number in range(scores.shape[1])],
            "candidates": [{"alpha": alpha} for alpha in alphas]}
    cells = [{"candidate": candidate, "prompt": prompt, "score": scores[candidate, prompt].tolist(),
              "tokens": tokens[candidate, prompt].tolist()}
             for candidate in range(scores.shape[0]) for prompt in range(scores.shape[1])]
    path.write_text("".join(json.dumps(line) + "\n" for line in [head, *cells]), encoding="utf-8")
    return path


def test_a_known_simulation_is_found_again(tmp_path):
    seed = 7
    draws = np.random.default_rng(seed)
    alphas, prompts = [-1, 0, 0.5, 2, 8, 25], 20_000
    places = np.array([fit_simulation.place(alpha) for alpha in alphas])
    coupled = np.linalg.cholesky(np.exp(-abs(places[:, None] - places) / 3)) @ draws.normal(size=(6, prompts))
    latent = (0.3**0.5 * draws.normal(size=(1, prompts, 1)) + 0.4**0.5 * coupled[:, :, None]
              + 0.3**0.5 * draws.normal(size=(6, prompts, 2)))
    scores = (latent < np.linspace(-0.6, 0, 6)[:, None, None]).astype(int)
    sizes = (0.5 * draws.normal(size=(1, prompts, 1)) + 0.6 * draws.normal(size=(6, prompts, 2))
             - 0.1 * places[:, None, None])
    path = recording_of(tmp_path / "recording.jsonl", scores, 60 * np.exp(sizes), alphas)

    read_places, read_scores, read_tokens = fit_simulation.read(path, 0)
    own, shared, reach = fit_simulation.coupling(read_places, read_scores)
    assert own == pytest.approx(0.3, abs=0.05) and shared == pytest.approx(0.4, abs=0.05), f"seed {seed}"
    assert reach == pytest.approx(3, rel=0.3), f"seed {seed}"
    growth, length, between, within = fit_simulation.lengths(read_places, read_tokens)
    assert growth == pytest.approx(-0.1, abs=0.01) and length == pytest.approx(60 * np.exp(0.305), rel=0.03)
    assert between == pytest.approx(0.5, abs=0.02) and within == pytest.approx(0.6, abs=0.02)


def test_the_simulator_has_what_the_recording_shows():
    header = (ROOT / "expo/search/source/simulator.h").read_text(encoding="utf-8")
    places, scores, tokens = fit_simulation.read(ROOT / "docs/search/recordings/smollm2.jsonl", 0)
    names = "prompt_share", "coupled_share", "reach", "growth", "length", "prompt_size", "answer_size"
    for name, found in zip(names, (*fit_simulation.coupling(places, scores), *fit_simulation.lengths(places, tokens))):
        assert float(re.search(rf"{name} = (-?[\d.]+);", header)[1]) == pytest.approx(found, rel=0.02), name
