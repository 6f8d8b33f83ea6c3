"""Lets the tests of this folder use the small models and the program of those of the commands."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "cli"))
