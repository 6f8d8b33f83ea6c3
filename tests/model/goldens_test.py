"""The committed models and results equal those that the installed transformers computes."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def test_goldens_are_as_transformers_makes_them():
    pytest.importorskip("transformers", reason="transformers is not installed")
    done = subprocess.run([sys.executable, HERE / "make_models.py", HERE / "goldens", "--check"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
