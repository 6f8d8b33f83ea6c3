"""What holds for every file of the project, whatever is in it."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("EXPO_SOURCE_DIR", Path(__file__).parents[1]))
LONGEST_FILE, LONGEST_TEST = 450, 700
CODE = {".h", ".cpp", ".py", ".cmake", ".sh", ""}

# Written so that this file does not contain what it forbids.
UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX|HA" + r"CK)\b")
MACHINE_PATH = re.compile(r"(?<![\w.$}<>*])/(?:home|root|mnt|Users)/(?!somebody)[A-Za-z0-9_.]|/tmp/[A-Za-z0-9_]")
REGISTRY = re.compile(r"pypi\.org|pythonhosted\.|download\.pytorch\.|registry\.npm|crates\.io"
                      r"|--(?:extra-)?index-url", re.IGNORECASE)


def tracked_files():
    try:
        listing = subprocess.run(
            ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            check=True, capture_output=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout, or there is no git: the project's files are not known")
    files = [ROOT / name for name in listing.split("\0") if name]
    return [path for path in files if path.is_file() and not path.is_symlink()]


def text_files():
    for path in tracked_files():
        # Cargo.lock is cargo's own, and names the registry of every package.
        if path == Path(__file__).resolve() or "corpus" in path.parts or path.name in ("LICENSE", "Cargo.lock"):
            continue
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def lines_with(pattern):
    return [f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
            for path, text in text_files()
            for number, line in enumerate(text.splitlines(), 1) if pattern.search(line)]


def test_nothing_is_left_unfinished():
    assert not lines_with(UNFINISHED)


def test_no_path_of_one_machine_stands_in_a_file():
    found = lines_with(MACHINE_PATH)
    assert not found


def test_no_registry_is_named():
    assert not lines_with(REGISTRY)


def test_files_stay_short():
    long = {}
    for path, text in text_files():
        limit = LONGEST_TEST if path.is_relative_to(ROOT / "tests") else LONGEST_FILE
        if path.suffix in CODE and text.count("\n") > limit:
            long[str(path.relative_to(ROOT))] = text.count("\n")
    assert not long, "a file is one idea; these are too long"


def test_text_ends_with_one_newline_and_has_no_trailing_blanks():
    untidy = [str(path.relative_to(ROOT)) for path, text in text_files()
              if path.suffix in CODE | {".md", ".yaml", ".yml", ".txt"} and text
              and (not text.endswith("\n") or text.endswith("\n\n") or re.search(r"[ \t]+$", text, re.MULTILINE))]
    assert not untidy


def test_headers_are_guarded():
    unguarded = [str(path.relative_to(ROOT)) for path, text in text_files()
                 if path.suffix == ".h" and "#pragma once" not in text]
    assert not unguarded


def test_sources_are_formatted():
    formatter = shutil.which("clang-format-16")
    if not formatter:
        pytest.skip("clang-format-16 is not there; scripts/bootstrap --lint installs it")
    sources = [str(path) for path in tracked_files() if path.suffix in {".h", ".cpp"}]
    result = subprocess.run([formatter, "--dry-run", "--Werror", *sources], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-4000:]


def test_libtorch_is_pinned_alike_in_both_lists():
    def pins(name):
        lines = (ROOT / "scripts" / name).read_text().splitlines()
        return {line for line in lines if line and not line.startswith("#")}
    torch = pins("requirements-torch.txt")
    assert torch and torch <= pins("requirements-test.txt")
