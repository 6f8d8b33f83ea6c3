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
from small_models import TEMPLATE, model, needs_engine, pair, prompts, read_rows, write_rows

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
        self.rows = self.reference.count(b"\n")
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


def kept_rows(folder):
    partial = folder / PARTIAL
    return partial.read_bytes().count(b"\n") - 1 if partial.exists() else 0


def some_rows(process, folder, count=1):
    """Waits until so many rows are kept, or the program ends."""
    while process.poll() is None and kept_rows(folder) < count:
        pass


def killed(run, out, moments, resume):
    """Kills a run: where its number of rows says so while it works, else at any time, loading and all."""
    process = run.start(out, *(["--resume"] if resume else []))
    if moments.random() < 0.5:
        some_rows(process, out.parent, moments.randint(1, max(1, run.rows // 2)))
    else:
        try:
            process.wait(timeout=moments.uniform(0.2, 1.0) * run.seconds)
        except subprocess.TimeoutExpired:
            pass
    process.kill()
    process.communicate()


@pytest.mark.parametrize("command", ["generation", "scoring"])
def test_killed_runs_resume_to_the_same_bytes(tmp_path, request, command):
    run, moments = request.getfixturevalue(command), random.Random(SEED)
    print("seed", SEED)
    kept = 0
    first = tmp_path / "first"
    first.mkdir()
    interrupted(first, run, first / "out.jsonl")
    assert kept_rows(first) > 0
    run.finish(first / "out.jsonl", "--resume")
    (first / LOCK).unlink(missing_ok=True)
    run.check(first / "out.jsonl")
    for number in range(KILL_RUNS):
        folder = tmp_path / str(number)
        folder.mkdir()
        out = folder / "out.jsonl"
        for attempt in range(3):
            killed(run, out, moments, resume=attempt > 0)
            if out.exists():
                assert out.read_bytes() == run.reference
                if not (folder / PARTIAL).exists():
                    break
            kept += kept_rows(folder) > 0
        else:
            run.finish(out, "--resume")
        (folder / LOCK).unlink(missing_ok=True)
        run.check(out)
    print("attempts that left rows:", kept)


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
    sft = model(tmp_path / "sft")
    template = tmp_path / "mine.jinja"
    template.write_text(TEMPLATE)
    named_as_record = write_rows(tmp_path / "x.run.json", [{"prompt": "w8"}])
    splits = tmp_path / "data"
    splits.mkdir()
    write_rows(splits / "train.jsonl", [{"prompt": "w8"}])
    (sft / "model.safetensors.index.json").write_text("{}")
    before = contents(tmp_path)
    for rows, out, words in [(data, tmp_path / "model/../prompts.jsonl", "is an input"),
                             (data, folder / "model.safetensors", "is an input"),
                             (data, folder / "tokenizer.json", "is an input"),
                             (data, sft / "model.safetensors", "is an input"),
                             (data, sft / "model.safetensors.index.json", "is an input"),
                             (data, template, "is an input"),
                             (named_as_record, tmp_path / "x", "x.run.json: is an input"),
                             (splits, splits / "train.jsonl", "lies in"),
                             (splits, splits / "more/out.jsonl", "lies in")]:
        done = expo("generate", folder, rows, "--sft", sft, "--alpha", "0.5", "--chat-template", template, "-o", out,
                    "--overwrite", check=False)
        assert done.returncode == 2 and words in done.stderr, done.stderr
        assert contents(tmp_path) == before


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_reward_model_is_never_written_over(tmp_path):
    folder = model(tmp_path / "model", "llama_reward")
    data = write_rows(tmp_path / "data.jsonl", [{"instruction": "w8", "output": "w9"}])
    before = contents(tmp_path)
    done = expo("score", folder, data, "-o", folder / "model.safetensors", "--overwrite", check=False)
    assert done.returncode == 2 and "is an input" in done.stderr
    assert contents(tmp_path) == before


def test_what_is_no_file_is_not_replaced(tmp_path):
    folder = model(tmp_path / "model")
    data = write_rows(tmp_path / "prompts.jsonl", [{"prompt": "w8"}])
    os.mkfifo(tmp_path / "pipe")
    for options in ([], ["--overwrite"]):
        done = expo("generate", folder, data, "-o", tmp_path / "pipe", *options, check=False)
        assert done.returncode == 2 and "is a pipe" in done.stderr and done.stderr.count("\n") == 1
    assert (tmp_path / "pipe").is_fifo()
    done = expo("generate", folder, data, "-o", "/dev/stdout", "--overwrite", check=False)  # a pipe
    assert done.returncode == 2 and "is a pipe" in done.stderr


def test_an_output_that_is_a_link_stays_one(tmp_path):
    folder = model(tmp_path / "model")
    data = write_rows(tmp_path / "prompts.jsonl", [{"prompt": "w8"}])
    (tmp_path / "far").mkdir()
    (tmp_path / "far/real.jsonl").write_text("old\n")
    link = tmp_path / "out.jsonl"
    link.symlink_to("far/real.jsonl")
    expo("generate", folder, data, "-o", link, "--overwrite", "--max-new-tokens", "5")
    assert link.is_symlink() and len(read_rows(tmp_path / "far/real.jsonl")) == 1
    assert sorted(path.name for path in (tmp_path / "far").iterdir()) == ["real.jsonl", "real.jsonl.run.json"]


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
