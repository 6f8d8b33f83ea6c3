"""The program's words: help, misspelt commands and options, and what goes where."""

import os
import subprocess

import numpy as np
import pytest

from checkpoints import EXPO, expo, pair


@pytest.mark.parametrize(("arguments", "words"), [
    (("extrapolat",), '"extrapolat" is not a command; the commands are extrapolate, inspect, convert'),
    (("--verison",), '"--verison" is not a command'), ((), "a command is missing"),
    (("extrapolate", "a", "b", "-o", "c", "--aplha", "3"), "--aplha"),
    (("extrapolate", "a", "b", "-o", "c", "--alpha", "abc"), "abc"),
    (("extrapolate", "a", "b", "-o", "c", "--alpha", "1", "--seed", "-1"), '"-1" is not a whole number from 0'),
    (("extrapolate", "a", "b", "-o", "c", "--alpha", "1", "--seed", "99999999999999999999"), "is not a whole number"),
    (("convert", "a", "b", "-o", "c"), "two output folders are named, b and c")])
def test_wrong_use_is_named(arguments, words):
    done = expo(*arguments, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("expo: ") and words in done.stderr, done.stderr


@pytest.mark.parametrize("command", ["extrapolate", "inspect", "convert"])
def test_help_as_a_command(command):
    assert expo("help", command).stdout == expo(command, "--help").stdout
    assert expo("help").stdout == expo("--help").stdout


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path):
    sft, _, _, _ = pair(tmp_path, np.random.default_rng(5))
    done = subprocess.run(f"'{EXPO}' inspect --tensors '{sft}' | true; exit ${{PIPESTATUS[0]}}", shell=True,
                          executable="/bin/bash", capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_behind_stdout_is_an_error(tmp_path):
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full")
    sft, _, _, _ = pair(tmp_path, np.random.default_rng(5))
    with open("/dev/full", "w") as full:
        done = subprocess.run([EXPO, "inspect", sft], stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (4, "expo: cannot write to standard output\n")
