"""Holds docs/ and README.md to what the program says of itself."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("EXPO_SOURCE_DIR", Path(__file__).parents[1]))
EXPO = os.environ.get("EXPO_BINARY", str(ROOT / "build/release/expo"))
OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z0-9-]*|-[a-z])(?![\w-])")


def help_of(*command):
    done = subprocess.run([EXPO, *command, "--help"], capture_output=True, text=True)
    if done.returncode == 4 and "runs no models" in done.stderr:  # EXPO_TORCH=OFF: its options are elsewhere
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    return done.stdout


def commands(*command):
    """The names under 'Subcommands:' of the help, the program's or a command's."""
    text = help_of(*command)
    if command and "ubcommands:" not in text:
        return []
    names = re.findall(r"^  ([a-z]+)\b", text.split("ubcommands:", 1)[1].split("\n\n")[0], re.MULTILINE)
    assert names, text
    return names


def options_in_help(*command):
    """Options that start a line of the help; those mentioned within a description do not count. With
    those of the command's own commands."""
    found = set()
    for line in help_of(*command).splitlines():
        if re.match(r"  -", line):
            found.update(OPTION.findall(re.split(r"\s{2,}|(?<=[a-z]) (?=[A-Z])", line.strip())[0]))
    for inner in commands(*command):
        found |= options_in_help(*command, inner)
    return found - {"-h", "--help"}


def options_on_page(page):
    """Options in the first column of the page's table."""
    found = set()
    for line in page.splitlines():
        if line.startswith("|"):
            found.update(OPTION.findall(line.split("|")[1]))
    return found


def expo_lines(text):
    """Every `expo …` line of the text's shell blocks, continued lines joined. On a console, commands follow a `$`."""
    for kind, block in re.findall(r"```(sh|bash|console)\n(.*?)```", text, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if kind == "console" and not line.startswith("$ "):
                continue
            words = shlex.split(line.removeprefix("$ "), comments=True)
            if words and Path(words[0]).name == "expo":
                yield words[1:]


@pytest.mark.parametrize("command", commands())
def test_every_command_has_a_page_with_exactly_its_options(command):
    page = ROOT / f"docs/{command}.md"
    assert page.is_file()
    documented, offered = options_on_page(page.read_text()), options_in_help(command)
    assert documented - offered == set(), "documented, but not offered"
    assert offered - documented == set(), "offered, but not documented"


def test_every_other_page_is_linked_from_the_page_of_a_command():
    linked = "".join((ROOT / f"docs/{command}.md").read_text() for command in commands())
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {f"{command}.md" for command in commands()}
    assert not {page for page in pages if f"]({page}" not in linked}


@pytest.mark.parametrize("document", ["README.md", *(f"docs/{command}.md" for command in commands())])
def test_examples_use_commands_and_options_that_exist(document):
    lines = list(expo_lines((ROOT / document).read_text()))
    assert lines, "a page shows its command at work"
    for words in lines:
        assert words[0] in commands(), words
        used = {word.split("=")[0] for word in words if re.fullmatch(OPTION, word.split("=")[0])}
        assert used <= options_in_help(words[0]), words


def test_links_between_documents_lead_somewhere():
    broken = []
    for path in [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text()):
            if not (path.parent / target).exists():
                broken.append(f"{path.relative_to(ROOT)}: {target}")
    assert not broken


def test_the_version_is_one():
    project = re.search(r"project\(expo VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text()).group(1)
    printed = subprocess.run([EXPO, "--version"], check=True, capture_output=True, text=True).stdout
    assert printed.split()[-1] == project
    assert f"## {project}" in (ROOT / "CHANGELOG.md").read_text()
