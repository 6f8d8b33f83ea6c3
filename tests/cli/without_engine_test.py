"""`expo` by itself, with no `expo-engine` beside it: what it refuses, says and helps with on its own."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from checkpoints import EXPO
from small_models import needs_engine

SECTIONS = ["Model", "Server", "Input and output", "Search", "Judge", "Extrapolation", "Sampling", "Machine", "Help"]
COMMANDS = ["extrapolate", "inspect", "convert", "generate", "score", "search", "report"]


@pytest.fixture
def alone(tmp_path):
    """Runs a copy of `expo` that finds no other program, in an empty folder."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "work").mkdir()
    program = shutil.copy(EXPO, tmp_path / "bin/expo")

    def run(*arguments):
        return subprocess.run([program, *arguments], cwd=tmp_path / "work", capture_output=True, text=True, check=False)
    return run


def example(text):
    """The words of the example at the end of a command's help."""
    lines = text.split("Example:\n", 1)[1].strip().splitlines()
    assert len(lines) == 1, "the example is one line, at the end"
    words = shlex.split(lines[0])
    assert words[0] == "expo"
    return words[1:]


MOVED = ["--sft", "SFT", "--alpha", "1"]
COMMON = [
    (["--alpha", "0.3"], "--sft"),
    (["--sft", "SFT"], "--alpha"),
    (["--sft", "SFT", "--alpha", "1", "--gamma", "0.5"], "give one of them"),
    (["--sft", "SFT", "--alpha-for", "mlp"], "REGEX=A"),
    (["--rounding", "stochastic"], "--sft"),
    (["--rounding-seed", "0"], "--sft"),
    (["--on-mismatch", "refuse"], "--sft"),
    ([*MOVED, "--rounding", "up"], "--rounding"),
    ([*MOVED, "--rounding", "nearest", "--rounding-seed", "1"], "--rounding auto or stochastic"),
    ([*MOVED, "--on-mismatch", "maybe"], "mismatch policy"),
    (["--device", "tpu"], "--device"),
    (["--dtype", "f16"], "--dtype"),
    (["--template-variable", "thinking"], "KEY=JSON"),
    (["--no-chat-template", "--system", "x"], "--no-chat-template"),
    (["--batch-size", "0"], "--batch-size"),
    (["--threads", "0"], "--threads"),
    (["--resume"], "-o FILE"),
    (["--json"], "-o FILE"),
    (["--aplha", "1"], "--aplha"),
]


@pytest.mark.parametrize("options, words", [
    *COMMON,
    (["--prompt", "x"], "both given"),
    (["--temperature", "-1"], "temperature is -1"),
    (["--top-p", "0"], "top_p is 0"),
    (["--top-k", "5"], "give a --temperature above 0"),
    (["--n", "2"], "temperature"),
    (["--n", "2", "--temperature", "1", "--format", "alpaca"], "AlpacaEval"),
    (["--format", "csv"], "--format"),
    (["--generator", "mine"], "--format alpaca"),
    (["--stop", ""], "stop string is empty"),
    (["--cache-size", "much"], "much"),
])
def test_generate_refuses_wrong_options_by_itself(alone, options, words):
    done = alone("generate", "MODEL", "prompts.jsonl", *options)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert words in done.stderr and done.stderr.count("\n") == 1, done.stderr


@pytest.mark.parametrize("options, words", [
    *COMMON,
    (["--log-probs", "--reward-column", "answer_tokens"], "choose another"),
    (["--answer-column", "a", "--chosen-column", "b"], "give the one or the others"),
])
def test_score_refuses_wrong_options_by_itself(alone, options, words):
    done = alone("score", "MODEL", "answers.jsonl", *options)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert words in done.stderr and done.stderr.count("\n") == 1, done.stderr


@pytest.mark.parametrize("options, words", [
    (["--alphas", "0.3,0.3"], "stands there twice"),
    (["--guard", "length<1"], "there is no <="),
    (["--reward-model", "RM"], "more than one is given"),
    (["--temperature", "0", "--n", "2"], "temperature"),
    (["--rounding", "up"], "--rounding"),
    (["--rounding", "nearest", "--rounding-seed", "1"], "--rounding auto or stochastic"),
    (["--dtype", "f16"], "--dtype"),
    (["--scorer-timeout", "0"], "--scorer-timeout"),
    (["--scorer-timeout", "nan"], "--scorer-timeout"),
    (["--scorer-timeout", "inf"], "--scorer-timeout"),
    (["--dpo-beta", "0.1"], "--dpo-beta applies"),
    (["--no-chat-template", "--system", "x"], "--no-chat-template"),
])
def test_search_refuses_wrong_options_by_itself(alone, options, words):
    done = alone("search", "SFT", "MODEL", "dev.jsonl", "-o", "run", "--scorer", "true", *options)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert words in done.stderr and done.stderr.count("\n") == 1, done.stderr


@pytest.mark.parametrize("arguments, words", [
    (("generate", "MODEL"), "there are no prompts"), (("generate", "MODEL", "--prompt", ""), "the text is empty"),
    (("generate", "MODEL", "--prompt", "x", "--limit", "1"), "apply to a data set"), (("score", "MODEL"), "no data set is named")])
def test_a_missing_source_is_refused_by_itself(alone, arguments, words):
    done = alone(*arguments)
    assert (done.returncode, done.stdout) == (2, "") and words in done.stderr, done.stderr


@pytest.mark.parametrize("arguments", [
    ("generate", "MODEL", "prompts.jsonl", "-o", "out.jsonl"), ("generate", "MODEL", "--prompt", "x", *MOVED),
    ("score", "MODEL", "answers.jsonl"), ("score", "MODEL", "answers.jsonl", "--log-probs", "--batch-size", "3", *MOVED),
    ("search", "SFT", "MODEL", "dev.jsonl", "-o", "run", "--scorer", "true"), ("train", "dpo"), ("train", "--help")])
def test_what_runs_a_model_says_that_this_build_runs_none(alone, tmp_path, arguments):
    done = alone(*arguments)
    assert (done.returncode, done.stdout) == (4, ""), done.stderr
    assert "this build of expo runs no models" in done.stderr and done.stderr.count("\n") == 1
    assert not list((tmp_path / "work").iterdir())


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_its_sections_in_order_and_an_example_that_parses(alone, command):
    text = alone(command, "--help").stdout
    titles = re.findall(r"^([A-Z][a-z ]+):$", text, re.MULTILINE)
    assert titles.pop(0) == "Positionals" and titles.pop() == "Example"
    assert titles == [section for section in SECTIONS if section in titles]
    assert ("Machine" in titles or command == "report") and titles[-1] == "Help"
    words = example(text)
    assert words[0] == command
    done = alone(*words)
    # Its files are not there, or there is no program that would read them.
    assert (done.returncode, done.stdout) == (4 if command in ("generate", "score", "search") else 3, ""), done.stderr


@needs_engine
def test_an_engine_of_another_build_is_refused(alone, tmp_path):
    handed_over = tmp_path / "bin/expo-engine"
    handed_over.write_text("#!/bin/sh\necho $EXPO_BUILD_ID\n")
    handed_over.chmod(0o755)
    build = alone("score", "MODEL", "answers.jsonl").stdout.strip()
    assert re.fullmatch("[0-9a-f]{16}", build)
    engine = Path(EXPO).parent / "expo-engine"

    def become_engine(build):
        return subprocess.run([engine, "score", "MODEL", "answers.jsonl"], env={**os.environ, "EXPO_BUILD_ID": build},
                              cwd=tmp_path / "work", capture_output=True, text=True, check=False)
    assert become_engine(build).returncode == 3, "its own build: what is missing is the model"
    other = become_engine("0123456789abcdef")
    assert (other.returncode, other.stdout) == (4, "") and other.stderr.count("\n") == 1, other.stderr
    assert other.stderr.startswith(f"expo: {engine}: was built from other sources than the expo that runs it ({build}, and expo "
                                   "from 0123456789abcdef); build both together")


@needs_engine
def test_the_example_of_train_parses(tmp_path):
    text = subprocess.run([EXPO, "train", "--help"], capture_output=True, text=True, check=True).stdout
    titles = re.findall(r"^([A-Z][A-Za-z, ]+):$", text, re.MULTILINE)
    assert titles == ["Positionals", "Configuration", "Model, data and output", "Loss", "Batches", "Optimiser", "LoRA",
                      "Run and machine", "Help", "Example"]
    done = subprocess.run([EXPO, *example(text)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, ""), done.stderr
    assert "SFT" in done.stderr
