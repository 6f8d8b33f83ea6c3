"""Describes the machine that the numbers were measured on."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def say(text):
    print(text, file=sys.stderr, flush=True)


def first_line(path, key):
    return next((line.split(":", 1)[1].strip() for line in Path(path).read_text().splitlines()
                 if line.startswith(key)), "unknown")


def cores():
    return len(os.sched_getaffinity(0))


def machine(*benchmark):
    """`benchmark` is the word after bench/run, if there is one."""
    def git(*words):
        result = subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True)
        return result.stdout.strip()
    commit = git("rev-parse", "--short=12", "HEAD") or "unknown"
    changed = " with uncommitted changes" if git("status", "--porcelain", "--untracked-files=no") else ""
    memory = int(first_line("/proc/meminfo", "MemTotal").split()[0]) / 1e6
    command = " ".join(["bench/run", *benchmark, *sys.argv[1:]])
    return (f"Measured at commit {commit}{changed} on {cores()} cores of "
            f"{first_line('/proc/cpuinfo', 'model name')}, {memory:.0f} GB of memory, by `{command}`.")
