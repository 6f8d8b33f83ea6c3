"""The tests of served models use the small models of the commands' tests, and start servers of them."""

import sys
from pathlib import Path

import pytest
from model_server import ModelServer

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))


@pytest.fixture
def serve(folder):
    """Starts servers of the test module's model."""
    running = []

    def start(dialect="vllm", **settings):
        running.append(ModelServer(dialect, **({"root": folder} | settings)).__enter__())
        return running[-1]
    yield start
    for server in running:
        server.__exit__()
