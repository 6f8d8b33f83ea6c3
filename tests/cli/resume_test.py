"""Runs of `expo generate` and `expo score` that are killed, interrupted and resumed: with --deterministic the files are
those of an undisturbed run, byte for byte.

EXPO_MODEL_KILL_RUNS sets how many runs are killed (4 unless told; 60 where EXPO_LONG_TESTS is set), EXPO_TEST_SEED
their moments."""

import json
import os
import random
import signal
import subprocess
import time

import numpy as np
import pytest

from checkpoints import EXPO, expo
from small_models import model, needs_engine, pair, prompts, read_rows, write_rows

pytestmark = needs_engine
SEED = int(os.environ.get("EXPO_TEST_SEED", "20240603"))
KILL_RUNS = int(os.environ.get("EXPO_MODEL_KILL_RUNS", "60" if os.environ.get("EXPO_LONG_TESTS") else "4"))
PARTIAL, LOCK = ".out.jsonl.expo-partial", ".out.jsonl.expo-lock"


class Run:
    """A command with its undisturbed outcome."""

    def __init__(self, folder, *arguments):
        self.arguments = [EXPO, *map(str, arguments)]
        start = time.monotonic()
        subprocess.run([*self.arguments, "-o", folder / "reference.jsonl"], check=True, capture_output=True)
        self.seconds = time.monotonic() - start
        self.reference = (folder / "reference.jsonl").read_bytes()
        self.record = json.loads((folder / "reference.jsonl.run.json").read_text())

    def start(self, out, *options):
        return subprocess.Popen([*self.arguments, "-o", str(out), *options], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def finish(self, out, *options):
        process = self.start(out, *options)
        message = process.communicate()[1]
        assert process.returncode == 0, message

    def check(self, out):
        assert out.read_bytes() == self.reference
        assert json.loads((out.parent / (out.name + ".run.json")).read_text()) == self.record
        assert sorted(path.name for path in out.parent.iterdir()) == [out.name, out.name + ".run.json"]


@pytest.fixture(scope="module")
def generation(tmp_path_factory):
    folder = tmp_path_factory.mktemp("generation")
    print("seed", SEED)
    data = write_rows(folder / "prompts.jsonl", [{"prompt": text} for text in prompts(np.random.default_rng(SEED), 24)])
    sft, aligned = pair(folder / "pair")
    return Run(folder, "generate", aligned, data, "--sft", sft, "--alpha", "0.5", "--deterministic", "--batch-size", "4",
               "--temperature", "0.9", "--n", "2", "--ignore-eos", "--max-new-tokens", "40")


@pytest.fixture(scope="module")
def scoring(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scoring")
    texts = prompts(np.random.default_rng(SEED), 1600)
    data = write_rows(folder / "data.jsonl", [{"instruction": question, "output": answer}
                                              for question, answer in zip(texts[:800], texts[800:])])
    return Run(folder, "score", model(folder / "model", "mistral_reward"), data, "--deterministic")


def some_rows(process, folder):
    """Waits until rows are kept, or the program ends."""
    while process.poll() is None:
        partial = folder / PARTIAL
        if partial.exists() and partial.read_bytes().count(b"\n") > 1:
            return


@pytest.mark.parametrize("command", ["generation", "scoring"])
def test_killed_runs_resume_to_the_same_bytes(tmp_path, request, command):
    run, moments = request.getfixturevalue(command), random.Random(SEED)
    print("seed", SEED)
    kept = 0
    for number in range(KILL_RUNS):
        folder = tmp_path / str(number)
        folder.mkdir()
        out = folder / "out.jsonl"
        for attempt in range(3):
            process = run.start(out, *(["--resume"] if attempt else []))
            try:
                process.communicate(timeout=moments.uniform(0.2, 1.0) * run.seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
            if out.exists():
                assert out.read_bytes() == run.reference
                if not (folder / PARTIAL).exists():
                    break
            kept += (folder / PARTIAL).exists() and (folder / PARTIAL).read_bytes().count(b"\n") > 1
        else:
            run.finish(out, "--resume")
        (folder / LOCK).unlink(missing_ok=True)
        run.check(out)
    print("runs that left rows:", kept)
    assert kept > 0


@pytest.mark.parametrize("command", ["generation", "scoring"])
def test_ctrl_c_ends_with_130_and_keeps_rows(tmp_path, request, command):
    run, out = request.getfixturevalue(command), tmp_path / "out.jsonl"
    process = run.start(out)
    some_rows(process, tmp_path)
    process.send_signal(signal.SIGINT)
    message = process.communicate()[1]
    assert process.returncode == 130, message
    assert "--resume" in message and "kept" in message
    assert not out.exists() and (tmp_path / PARTIAL).exists() and not (tmp_path / LOCK).exists()
    refused = subprocess.run([*run.arguments, "-o", out], capture_output=True, text=True)
    assert refused.returncode == 2 and "--resume" in refused.stderr and "--overwrite" in refused.stderr
    run.finish(out, "--resume")
    run.check(out)


def test_a_torn_last_line_is_done_again(tmp_path, generation):
    out = tmp_path / "out.jsonl"
    process = generation.start(out)
    some_rows(process, tmp_path)
    process.kill()
    process.communicate()
    text = (tmp_path / PARTIAL).read_text()
    (tmp_path / PARTIAL).write_text(text[:-3])
    generation.finish(out, "--resume")
    (tmp_path / LOCK).unlink(missing_ok=True)
    generation.check(out)


def interrupted(folder, run, out):
    process = run.start(out)
    some_rows(process, folder)
    process.kill()
    process.communicate()


@pytest.mark.parametrize("options, words", [
    (["--alpha", "0.6"], "model.alpha was \"0.5\" and is \"0.6\""),
    (["--temperature", "0.8"], "answers.sampling.temperature was 0.9 and is 0.8"),
    (["--limit", "23"], "prompts."),
    (["--seed", "1"], "answers.sampling.seed was 0 and is 1"),
    (["--system", "w9"], "prompts.digest"),
])
def test_other_settings_are_refused_by_name(tmp_path, generation, options, words):
    out = tmp_path / "out.jsonl"
    interrupted(tmp_path, generation, out)
    arguments = list(generation.arguments)
    for name, value in zip(options[::2], options[1::2]):
        if name in arguments:
            arguments[arguments.index(name) + 1] = value
        else:
            arguments += [name, value]
    done = subprocess.run([*arguments, "-o", out, "--resume"], capture_output=True, text=True)
    assert done.returncode == 2 and words in done.stderr, done.stderr
    assert (tmp_path / PARTIAL).exists()


def test_a_run_goes_on_in_other_batches_to_the_same_bytes(tmp_path, generation):
    out = tmp_path / "out.jsonl"
    interrupted(tmp_path, generation, out)
    arguments = list(generation.arguments)
    arguments[arguments.index("--batch-size") + 1] = "7"
    subprocess.run([*arguments, "--threads", "2", "--cache-size", "20MB", "-o", out, "--resume"], check=True, capture_output=True)
    assert out.read_bytes() == generation.reference


def test_another_model_is_refused(tmp_path, generation):
    out = tmp_path / "out.jsonl"
    interrupted(tmp_path, generation, out)
    other = model(tmp_path / "other")
    arguments = list(generation.arguments)
    arguments[2] = str(other)
    done = subprocess.run([*arguments, "-o", out, "--resume"], capture_output=True, text=True)
    assert done.returncode == 2 and "model.files" in done.stderr, done.stderr


def test_an_existing_output_is_replaced_only_if_told(tmp_path, generation):
    out = tmp_path / "out.jsonl"
    out.write_text("mine\n")
    done = subprocess.run([*generation.arguments, "-o", out], capture_output=True, text=True)
    assert done.returncode == 2 and "--overwrite" in done.stderr
    assert out.read_text() == "mine\n"
    interrupted_run = generation.start(out, "--overwrite")
    some_rows(interrupted_run, tmp_path)
    interrupted_run.kill()
    interrupted_run.communicate()
    assert out.read_text() == "mine\n"
    (tmp_path / LOCK).unlink(missing_ok=True)
    generation.finish(out, "--resume")
    generation.check(out)


def test_an_input_is_never_written_over(tmp_path):
    folder = model(tmp_path / "model")
    data = write_rows(tmp_path / "prompts.jsonl", [{"prompt": "w8"}])
    done = expo("generate", folder, data, "-o", tmp_path / "model/../prompts.jsonl", "--overwrite", check=False)
    assert done.returncode == 2 and "is an input" in done.stderr
    assert read_rows(data) == [{"prompt": "w8"}]


def test_two_runs_at_once(tmp_path, generation):
    out = tmp_path / "out.jsonl"
    first = generation.start(out)
    while not (tmp_path / LOCK).exists() and first.poll() is None:
        pass
    second = generation.start(out)
    messages = [process.communicate()[1] for process in (first, second)]
    assert first.returncode == 0, messages
    assert second.returncode == 4 and "another run" in messages[1] or second.returncode == 2, messages
    generation.check(out)


def test_the_record_says_what_was_done(generation):
    record = generation.record
    assert record["settings"]["model"]["alpha"] == "0.5"
    assert record["settings"]["answers"]["sampling"]["temperature"] == 0.9
    assert record["results"]["answers"] == 48
    files = record["inputs"]["model"]
    assert [file["file"] for file in files["model"] + files["sft"]] == ["model.safetensors"] * 2
    assert all(file["digest"].startswith("xxh3-128:") for file in files["model"])
