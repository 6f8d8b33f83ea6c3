"""Starts the servers that scripts/bootstrap servers has installed, and ends them."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(os.environ.get("EXPO_SOURCE_DIR", Path(__file__).parents[2]))
VLLM = ROOT / ".server-venv/bin/vllm"
LLAMA = ROOT / "build/servers/llama.cpp"
CONTEXT = 1024
LONGEST_START = 900  # seconds
# Threads that wait for each other by spinning are slow where others want the same processors.
THREADS = str(max(1, os.cpu_count() // 2))


class RealServer:
    """A process that serves one model under a free port of this machine, from `with` on until its end."""

    def __init__(self, kind, command, folder, environment=None):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.word = f"{kind}={self.url}"
        self.command = [*map(str, command), "--host", "127.0.0.1", "--port", str(self.port)]
        self.environment = os.environ | (environment or {})
        self.log = Path(folder) / f"{kind}-{self.port}.log"

    def __enter__(self):
        with self.log.open("w") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=subprocess.STDOUT, cwd=self.log.parent,
                                            env=self.environment, start_new_session=True)
        try:
            self.wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def wait_until_ready(self):
        end = time.monotonic() + LONGEST_START
        while time.monotonic() < end:
            assert self.process.poll() is None, f"{self.command} ended:\n{self.log.read_text()[-4000:]}"
            try:
                with urllib.request.urlopen(f"{self.url}/health", timeout=5):
                    return
            except (OSError, urllib.error.HTTPError):
                time.sleep(0.2)
        raise AssertionError(f"{self.command} was not ready in time:\n{self.log.read_text()[-4000:]}")

    def __exit__(self, *_):
        """Ends the whole group: vLLM's engine and its workers are processes of their own."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
                self.process.wait(timeout=60)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                pass


def vllm(checkpoint, folder, *options):
    assert VLLM.exists(), "vLLM is not installed; scripts/bootstrap servers does it"
    command = [VLLM, "serve", checkpoint, "--served-model-name", "small", "--max-model-len", CONTEXT, "--max-num-seqs", 16,
               "--enforce-eager", *options]
    environment = {"VLLM_SERVER_DEV_MODE": "1", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind",
                   "VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": THREADS,
                   "VLLM_CACHE_ROOT": str(folder / "cache"), "VLLM_CONFIG_ROOT": str(folder / "settings")}
    return RealServer("vllm", command, folder, environment)


def llama_server(checkpoint, folder, *options):
    """With attention in float32, which is not its default."""
    program = LLAMA / "llama-server"
    assert program.exists(), "llama-server is not built; scripts/bootstrap servers does it"
    places = 4
    command = [program, "-m", checkpoint, "-c", places * CONTEXT, "-np", places, "--threads", THREADS, "--cache-type-k",
               "f32", "--cache-type-v", "f32", "--flash-attn", "off", *options]
    return RealServer("llama-server", command, folder)
