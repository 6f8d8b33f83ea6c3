"""Runs commands one at a time: wall time until the output is on the disk, and peak memory."""

import os
import shutil
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Runs:
    """All runs of one contestant."""

    seconds: list = field(default_factory=list)
    peak_bytes: list = field(default_factory=list)

    @property
    def median(self):
        return statistics.median(self.seconds)

    @property
    def spread(self):
        return f"{min(self.seconds):.2f}–{max(self.seconds):.2f}"

    @property
    def peak(self):
        return max(self.peak_bytes)


@dataclass
class Watched:
    """The output of a command, and what was measured while it ran."""

    text: str
    peak_bytes: int  # resident, including mapped files
    peak_anonymous_bytes: int  # resident, without what a file backs
    others_cores: float  # processors that other work kept busy at the same time, on average


def run_once(command, environment=None):
    """(seconds, peak resident bytes, stdout). This process stays small: a child's peak counts from before its exec."""
    seconds, usage, text = run(command, environment, lambda child: os.wait4(child, 0)[1:])
    return seconds, usage.ru_maxrss * 1024, text


def run_watched(command, environment=None):
    """Linux records no peak of anonymous memory, so it is sampled a hundred times a second."""
    peak = 0

    def watch(child):
        nonlocal peak
        while True:
            pid, status, usage = os.wait4(child, os.WNOHANG)
            if pid:
                return status, usage
            peak = max(peak, anonymous_bytes(child))
            time.sleep(0.01)
    busy = busy_seconds()
    seconds, usage, text = run(command, environment, watch)
    others = max(0.0, busy_seconds() - busy - usage.ru_utime - usage.ru_stime)
    return Watched(text, usage.ru_maxrss * 1024, peak, others / seconds)


def anonymous_bytes(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0  # it is ending


def busy_seconds():
    """The seconds that all processors together have worked since the start, including those that the host took."""
    user, nice, system, _, _, interrupts, soft_interrupts, stolen, *_ = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:])
    return (user + nice + system + interrupts + soft_interrupts + stolen) / os.sysconf("SC_CLK_TCK")


def run(command, environment, wait):
    """Returns (seconds, usage, stdout); wait(pid) must return the (status, usage) of the ended child."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        child = subprocess.Popen(command, stdout=out, stderr=err, env={**os.environ, **(environment or {})})
        status, usage = wait(child.pid)
        seconds = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode(errors="replace"))
    if child.returncode:
        raise SystemExit(f"failed ({child.returncode}): {' '.join(map(str, command))}\n" + "".join(texts)[-4000:])
    return seconds, usage, texts[0]


def sync_folder(folder):
    """Syncs every file of the folder to the disk."""
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)


def measure(command, output, runs, environment=None):
    """One run into the absent folder `output`, which is removed again by remove()."""
    seconds, peak, _ = run_once(command, environment)
    start = time.perf_counter()
    sync_folder(output)
    runs.seconds.append(seconds + time.perf_counter() - start)
    runs.peak_bytes.append(peak)


def remove(folder):
    shutil.rmtree(folder, ignore_errors=True)
    os.sync()


def warm(folders):
    """Reads the files into the page cache."""
    buffer = bytearray(1 << 24)
    for folder in folders:
        for path in sorted(Path(folder).glob("*.safetensors")):
            with open(path, "rb", buffering=0) as file:
                while file.readinto(buffer):
                    pass


def drop_caches():
    """Empties the page cache; returns False if that is not permitted."""
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3\n")
    except OSError:
        return False
    return True
