#!/usr/bin/env python3
"""The paper in small, on a real model and this machine: sample, grade, train by DPO, search α, write, report.

    paper_in_small.py --work FOLDER [--expo PROGRAM] [--model GGUF] [--minutes M] [--threads N]

SmolLM2-135M-Instruct answers the instructions of constraints/, which a program can grade. Right and wrong answers become
preference pairs, DPO on them makes ALIGNED, and `expo search` finds how far to extrapolate it by what the program says of
answers to other instructions. All models run in float32, so that no rounding bends α. How much is done follows from the
tokens per second that this machine makes.

FOLDER keeps every step, and the same command goes on where it was interrupted. It needs Python's own library only.
"""

import argparse
import hashlib
import json
import math
import os
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = ROOT / "examples/constraints"

LONGEST_ANSWER = 64
SAMPLING = ["--temperature", "0.7", "--top-k", "40", "--top-p", "0.9", "--presence-penalty", "0.1",
            "--frequency-penalty", "0.1", "--max-new-tokens", LONGEST_ANSWER, "--format", "plain", "--dtype", "f32"]
BATCH = 8
DPO = ["--beta", "0.1", "--learning-rate", "5e-6", "--per-device-train-batch-size", BATCH,
       "--gradient-accumulation-steps", "1", "--num-train-epochs", "1", "--warmup-ratio", "0", "--seed", "42",
       "--bf16", "false"]
SAMPLES = 4
PROBE_PROMPTS = 64
TOKENS_OF_ANSWER = 42     # of θ_sft, on average
TOKENS_OF_PAIR = 190      # two rows, prompts included
TRAINING_SPEED = 0.6      # tokens per second, against those of answers; the reference's forward passes included
# Shares of the time. The rest is for loading models, reading prompts, measuring drift and writing.
SAMPLING_SHARE, TRAINING_SHARE, SEARCH_SHARE = 0.22, 0.18, 0.35
FEWEST_PROMPTS, MOST_PROMPTS = 24, 600
TOKENS_OF_DEVELOPMENT_PROMPT = 130  # of the search, over all α
FEWEST_PAIRS, MOST_PAIRS = 8, 200
FEWEST_SEARCH_TOKENS = 4000
STEPS_BETWEEN_CHECKPOINTS = 8
WRONG_USE, FAILED_ENVIRONMENT, INTERRUPTED = 2, 4, 130


@dataclass(frozen=True)
class Amounts:
    """How much is done in so many minutes at so many tokens a second."""

    tokens_per_second: float
    minutes: float

    def tokens(self, share):
        return self.tokens_per_second * self.minutes * 60 * share

    @property
    def prompts(self):
        return within(self.tokens(SAMPLING_SHARE) / (SAMPLES * TOKENS_OF_ANSWER), FEWEST_PROMPTS, MOST_PROMPTS)

    @property
    def pairs(self):
        return within(self.tokens(TRAINING_SHARE) * TRAINING_SPEED / TOKENS_OF_PAIR, FEWEST_PAIRS, MOST_PAIRS)

    @property
    def search_tokens(self):
        return int(max(FEWEST_SEARCH_TOKENS, self.tokens(SEARCH_SHARE)))

    @property
    def development_prompts(self):
        return within(self.search_tokens / TOKENS_OF_DEVELOPMENT_PROMPT, FEWEST_PROMPTS, MOST_PROMPTS)


def within(value, least, most):
    return int(min(most, max(least, value)))


class Run:
    """Steps in a folder. Each says what it does, the command that does it alone, and how long it took."""

    def __init__(self, arguments):
        self.work = arguments.work.resolve()
        self.program = arguments.expo.resolve()
        self.threads = ["--threads", arguments.threads] if arguments.threads else []
        self.times = self.work / "times.json"
        self.work.mkdir(parents=True, exist_ok=True)
        self.claim(settings(arguments.model))

    def claim(self, mine):
        """No step goes on with what other settings have made."""
        file = self.work / "settings.json"
        if not file.exists():
            write(file, json.dumps(mine, indent=2) + "\n")
        elif json.loads(file.read_text(encoding="utf-8")) != mine:
            raise Refused(f"{self.shown('.')} was made with another model or by another version of this program; remove it "
                          "to begin anew, or name another folder")

    def step(self, title, made, work):
        """Does the work, unless an earlier call has: then what it makes last is there, which appears whole or not at all."""
        print(f"\n== {title}", flush=True)
        if (self.work / made).exists():
            took = f", in {duration(self.taken()[title])}" if title in self.taken() else ""
            print(f"   done before{took}: {self.shown(made)}")
            return
        began = time.monotonic()
        try:
            work()
        except BaseException:
            self.remember_at_its_end(title, time.monotonic() - began)
            raise
        self.remember(title, time.monotonic() - began)
        print(f"   took {duration(self.taken()[title])}")

    def remember(self, title, seconds):
        """Adds to the time of a step, which an interruption may have cut in two."""
        times = self.taken()
        times[title] = times.get(title, 0) + seconds
        write(self.times, json.dumps(times, indent=2, ensure_ascii=False) + "\n")

    def remember_at_its_end(self, title, seconds):
        """Of a step that failed, perhaps because nothing can be written any more."""
        try:
            self.remember(title, seconds)
        except OSError:
            pass

    def taken(self):
        """The seconds of each step so far."""
        return json.loads(self.times.read_text(encoding="utf-8")) if self.times.exists() else {}

    def shown(self, path):
        return os.path.relpath(self.work / path)

    def command(self, *words, program, stdin=None, stdout=None):
        """Shows a command as it can be run alone in the folder of the steps, and runs it there."""
        words = [str(word) for word in words]
        pipes = "".join(f" {sign} {file}" for sign, file in (("<", stdin), (">", stdout)) if file)
        print(f"   {self.shown('.')}$ {shlex.join(words)}{pipes}", flush=True)
        partial = self.work / f"{stdout}.partial"
        with open(self.work / stdin if stdin else os.devnull, "rb") as source:
            if not stdout:
                status = run_to_its_end([program, *words[1:]], self.work, source, None)
            else:
                with open(partial, "wb") as target:
                    status = run_to_its_end([program, *words[1:]], self.work, source, target)
        if status:
            raise Failed(status)
        if stdout:
            os.replace(partial, self.work / stdout)

    def expo(self, *words, stdout=None):
        self.command(self.shown_program(), *words, *self.threads, program=self.program, stdout=stdout)

    def shown_program(self):
        return os.path.relpath(self.program, self.work)

    def python(self, name, *words, **pipes):
        self.command("python3", os.path.relpath(CONSTRAINTS / name, self.work), *words, program=sys.executable, **pipes)

    def instructions(self, split, file, count):
        self.python("instructions.py", split, file, "--count", count)


class Refused(Exception):
    """Wrong use, in one sentence."""


class Failed(Exception):
    """A command that failed and has said why."""

    def __init__(self, status):
        super().__init__(status)
        self.status = status if status > 0 else 128 - status


def run_to_its_end(words, folder, stdin, stdout):
    """The status of a command. One that is interrupted gets the time to keep what it has done."""
    with subprocess.Popen(words, cwd=folder, stdin=stdin, stdout=stdout) as process:
        try:
            return process.wait()
        except Terminated:
            process.terminate()
            process.wait()
            raise
        except KeyboardInterrupt:  # Ctrl-C has reached the command, too; a second signal would end it at once.
            process.wait()
            raise


class Terminated(KeyboardInterrupt):
    """By SIGTERM, which reaches this program alone."""


def be_terminated(*_):
    raise Terminated


def settings(model):
    """All that the steps depend on, but for the amounts, which stand in a file of their own."""
    digest = hashlib.sha256()
    for file in sorted(CONSTRAINTS.glob("*.py")):
        digest.update(file.read_bytes())
    return {"model": str(model.resolve()), "sampling": SAMPLING, "dpo": DPO, "samples": SAMPLES,
            "constraints": digest.hexdigest()}


def duration(seconds):
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{seconds:.1f} s"


def write(path, text):
    """The file appears whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def read_rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def measure(run, minutes):
    run.instructions("train", "probe.jsonl", PROBE_PROMPTS)
    run.expo("generate", "sft", "probe.jsonl", "-o", "probe-answers.jsonl", *SAMPLING, "--overwrite", "--json",
             stdout="probe.json")
    speed = json.loads((run.work / "probe.json").read_text(encoding="utf-8"))["tokens_per_second"]
    write(run.work / "amounts.json", json.dumps({"tokens_per_second": speed, "minutes": minutes}) + "\n")


def amounts_of(run, minutes):
    amounts = Amounts(**json.loads((run.work / "amounts.json").read_text(encoding="utf-8")))
    print(f"   {amounts.tokens_per_second:.0f} tokens a second. So that all takes about {amounts.minutes:g} minutes, "
          f"{amounts.prompts} instructions are\n   answered {SAMPLES} times, DPO sees at most {amounts.pairs} pairs, and "
          f"the search generates at most {amounts.search_tokens} tokens.")
    if amounts.minutes != minutes:
        print(f"   --minutes {minutes:g} comes too late for this folder, where {amounts.minutes:g} were asked for "
              "first; remove it to begin anew.")
    return amounts


def sample(run, amounts):
    run.instructions("train", "train.jsonl", amounts.prompts)
    run.expo("generate", "sft", "train.jsonl", "-o", "train-answers.jsonl", *SAMPLING, "--n", SAMPLES, "--seed", 1,
             "--resume")


def preference_pairs(rows):
    """The first right and the first wrong answer to each prompt that has both. A right one came to its own end."""
    groups = {}
    for row in rows:
        groups.setdefault(row["prompt"], []).append(row)
    pairs = []
    for prompt, samples in groups.items():
        right = [row["answer"] for row in samples if row["score"] and row["finish_reason"] == "stop"]
        wrong = [row["answer"] for row in samples if not row["score"] and row["answer"].strip()]
        if right and wrong:
            pairs.append({"prompt": prompt, "chosen": right[0], "rejected": wrong[0]})
    return pairs


def grade(run, amounts):
    run.python("check.py", stdin="train-answers.jsonl", stdout="train-scores.txt")
    scores = [int(line) for line in (run.work / "train-scores.txt").read_text(encoding="utf-8").split()]
    rows = [{**row, "score": score}
            for row, score in zip(read_rows(run.work / "train-answers.jsonl"), scores, strict=True)]
    pairs = preference_pairs(rows)
    if not pairs:
        sys.exit("paper_in_small.py: no instruction has both a right and a wrong answer, so there is nothing to train on; "
                 f"remove {run.shown('.')} and give it more than {amounts.minutes:g} minutes (--minutes)")
    used = whole_batches(pairs[:amounts.pairs])
    print(f"   {sum(scores)} of {len(scores)} answers obey their instruction. {len(pairs)} instructions have an answer "
          f"that does and one that does not;\n   {len(used)} of them make the pairs.")
    write(run.work / "pairs.jsonl", "".join(json.dumps(pair, ensure_ascii=False) + "\n" for pair in used))


def whole_batches(pairs):
    """A last batch of a few pairs would move the model as far as the others."""
    return pairs[:len(pairs) // BATCH * BATCH] or pairs


def train(run):
    run.expo("train", "dpo", "--model-name-or-path", "sft", "--dataset-name", "pairs.jsonl", "--output-dir", "dpo", *DPO,
             "--save-steps", STEPS_BETWEEN_CHECKPOINTS, "--save-total-limit", 1, "--resume")


def search(run, amounts):
    run.instructions("dev", "dev.jsonl", amounts.development_prompts)
    scorer = shlex.join(["python3", os.path.relpath(CONSTRAINTS / "check.py", run.work)])
    run.expo("search", "sft", "dpo/final", "dev.jsonl", "--scorer", scorer, "-o", "search", "--token-budget",
             amounts.search_tokens, "--max-new-tokens", LONGEST_ANSWER, "--write", "extrapolated")


def conclude(run):
    """The time of each step, and where the result is."""
    taken = run.taken()
    print("\n== What it took")
    for title, seconds in {**taken, "all of it": sum(taken.values())}.items():
        print(f"   {duration(seconds):>13}  {title}")
    result = json.loads((run.work / "search/search.json").read_text(encoding="utf-8"))
    written = run.work / "extrapolated"
    print(f"\nThe verdict of the search is {result['verdict']}, at α = {result['alpha']:g}.", end=" ")
    print(f"The extrapolated model is in {run.shown('extrapolated')}." if result["alpha"] != 0 and written.exists() else
          "No α is recommended, so no model was written.")
    print(f"Open these pages in a browser: {run.shown('search/report.html')} (the search), "
          f"{run.shown('dpo/report.html')} (the training).")


def run_all(run, arguments):
    run.step("Converting the SFT model from GGUF to safetensors", "sft/config.json", lambda: run.expo(
        "convert", os.path.relpath(arguments.model, run.work), "-o", "sft", "--out-dtype", "bf16", "--overwrite"))
    run.step("Measuring how fast this machine answers", "amounts.json", lambda: measure(run, arguments.minutes))
    amounts = amounts_of(run, arguments.minutes)
    run.step("Answering training instructions with the SFT model", "train-answers.jsonl", lambda: sample(run, amounts))
    run.step("Grading the answers, and making preference pairs", "pairs.jsonl", lambda: grade(run, amounts))
    run.step("Training on the pairs by DPO", "dpo/final/config.json", lambda: train(run))
    run.step("Searching α, and testing its gain on instructions that did not choose it", "search/report.html",
             lambda: search(run, amounts))
    conclude(run)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--expo", type=Path, default=ROOT / "build/release/expo", metavar="PROGRAM")
    parser.add_argument("--model", type=Path, default=ROOT / "models/SmolLM2-135M-Instruct.Q4_1.gguf", metavar="GGUF")
    parser.add_argument("--minutes", type=float, default=14, metavar="M", help="that all of it may take")
    parser.add_argument("--threads", type=int, metavar="N")
    arguments = parser.parse_args()
    if not 0 < arguments.minutes < math.inf:
        parser.error(f"--minutes {arguments.minutes:g} is no time; give a number above 0")
    signal.signal(signal.SIGTERM, be_terminated)
    try:
        run_all(Run(arguments), arguments)
    except Failed as failed:
        end(failed.status, "This command failed; once its reason is gone, the same call goes on from here.")
    except Refused as refused:
        end(WRONG_USE, str(refused))
    except OSError as error:
        end(FAILED_ENVIRONMENT, f"{error.filename or arguments.work}: {error.strerror}; the same call goes on from here.")
    except KeyboardInterrupt:
        end(INTERRUPTED, "Interrupted; the same call goes on from here.")


def end(status, sentence):
    sys.stdout.flush()
    print(f"\npaper_in_small.py: {sentence}", file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    main()
