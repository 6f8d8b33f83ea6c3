"""Runs the room `text` on lines of JSON, for tests that compare it with Python libraries."""

import json
import os
import subprocess
from pathlib import Path

TOOL = Path(os.environ["EXPO_BUILD_DIR"]) / "tests/text_tool"


def text_tool(what, *arguments, lines):
    """What text_tool makes of each line, with the arguments that it takes for `what`."""
    text = "".join(json.dumps(line) + "\n" for line in lines)
    done = subprocess.run([TOOL, what, *map(str, arguments)], input=text, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.split("\n") if line]
