"""The committed steps are those of the installed TRL, where it is installed."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def test_goldens_are_as_trl_makes_them():
    # The tests' environment has TRL for its chat templates, but not what TRL needs to train.
    pytest.importorskip("datasets", reason="what TRL trains with is not installed")
    pytest.importorskip("trl", reason="TRL is not installed")
    done = subprocess.run([sys.executable, HERE / "make_trl_goldens.py", HERE / "trl_goldens", "--check"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
