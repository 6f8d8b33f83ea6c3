"""The contestants of the generation benchmark: the command of each, and how to read its output."""

import json
import sys
from dataclasses import dataclass
from operator import itemgetter

from instruction_set import llama_batched_bench
from machine import ROOT
from models import BENCH

SPEED = ROOT / "build/release/bench/generation_speed"


@dataclass
class Task:
    """A number of prompts answered at once, all of one length, with answers of one length."""

    batch: int
    prompt_tokens: int
    new_tokens: int
    threads: int

    @property
    def made(self):
        return self.batch * self.new_tokens

    @property
    def counted(self):
        """The tokens that a speed is about: a task that makes only one of each prompt is about reading."""
        return self.made if self.new_tokens > 1 else self.batch * self.prompt_tokens


@dataclass
class Contestant:
    title: str
    command: callable  # (pair, task) -> list of words
    seconds: callable = itemgetter("seconds")  # (its line of JSON) -> prefill, decoding and sampling


def llama_cpp(pair, task):
    """The context is as large as needed. The prefill yields the first new token, so decoding has one step less; it has one
    even where only the prefill counts."""
    row = -(-(task.prompt_tokens + max(2, task.new_tokens)) // 256) * 256  # llama.cpp rounds up a sequence's share
    return [llama_batched_bench(), "-m", pair.gguf, "-t", str(task.threads), "-tb", str(task.threads), "-c", str(task.batch * row),
            "-npp", str(task.prompt_tokens), "-ntg", str(max(1, task.new_tokens - 1)), "-npl", str(task.batch),
            "-fa", "on", "--output-format", "jsonl"]


def transformers(pair, task):
    return [sys.executable, BENCH / "transformers_generation.py", pair.sft, str(task.batch), str(task.prompt_tokens),
            str(task.new_tokens), str(task.threads)]


def expo(*options):
    return lambda pair, task: [SPEED, pair.sft, "--batch", str(task.batch), "--prompt-tokens", str(task.prompt_tokens),
                               "--new-tokens", str(task.new_tokens), "--threads", str(task.threads), *options]


def result_line(text):
    """The JSON line in a contestant's output."""
    return json.loads(next(line for line in text.splitlines() if line.startswith("{")))


CONTESTANTS = {
    "llama.cpp": Contestant("llama.cpp `llama-batched-bench`, without sampling", llama_cpp,
                            lambda line: line["t_pp"] + (line["t_tg"] if line["tg"] > 1 else 0)),
    "transformers": Contestant("transformers `generate()`, greedy", transformers),
    "expo": Contestant("expo, greedy", expo()),
    "expo-sampling": Contestant("expo, the paper's sampling", expo("--paper-sampling")),
    "expo-score": Contestant("expo, log-probabilities", expo("--score")),
    "expo-deterministic": Contestant("expo, greedy, `--deterministic`", expo("--deterministic")),
}
