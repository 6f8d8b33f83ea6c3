"""The committed requests and preferences of a judge are what the installed alpaca_eval makes."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def test_goldens_are_as_alpaca_eval_makes_them():
    pytest.importorskip("alpaca_eval", reason="alpaca_eval is not installed")
    done = subprocess.run([sys.executable, HERE / "make_judge_goldens.py", HERE / "judge_goldens.json", "--check"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
