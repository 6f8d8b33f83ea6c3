"""Holds every include to the layer order that cmake/rooms.cmake writes down."""

import os
import re
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("EXPO_SOURCE_DIR", Path(__file__).parents[1]))
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)
# What a public header may not pull into the programs of others: its version could clash with theirs.
PRIVATE_LIBRARIES = ("fmt/", "yaml-cpp/", "xxhash", "gtest/", "CLI/")


def rooms():
    """{room: the rooms it may include}, in the order of the file."""
    text = (ROOT / "cmake/rooms.cmake").read_text()
    entries = re.findall(r'"([a-z]+):([a-z,]*)"', text)
    assert entries, "cmake/rooms.cmake names no room"
    allowed = {}
    for room, needs in entries:
        allowed[room] = {room}
        for needed in filter(None, needs.split(",")):
            assert needed in allowed, f"{room} needs {needed}, which does not stand above it"
            allowed[room] |= allowed[needed]
    return allowed


ROOMS = rooms()


def includes(path):
    return [name for _, name in INCLUDE.findall(path.read_text())]


def sources(folder, *patterns):
    return sorted(path for pattern in patterns for path in (ROOT / folder).rglob(pattern))


def violations(paths, allowed):
    found = []
    for path in paths:
        for name in includes(path):
            if name.startswith("expo/") and name.split("/")[1] not in allowed:
                found.append(f"{path.relative_to(ROOT)} includes {name}")
    return found


def test_every_folder_is_a_room():
    folders = {path.name for path in (ROOT / "expo").iterdir() if path.is_dir()}
    assert folders <= set(ROOMS), f"not in cmake/rooms.cmake: {folders - set(ROOMS)}"


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_includes_only_what_stands_above_it(room):
    assert not violations(sources(f"expo/{room}", "*.h", "*.cpp"), ROOMS[room])


@pytest.mark.parametrize("room", ROOMS)
def test_tests_of_a_room_include_only_what_it_is_linked_with(room):
    # tests/support, which all may use, is linked with checkpoint.
    assert not violations(sources(f"tests/{room}", "*.h", "*.cpp"), ROOMS[room] | ROOMS["checkpoint"])


def test_includes_name_files_from_the_root():
    missing = []
    for path in sources("expo", "*.h", "*.cpp"):
        text = path.read_text()
        for bracket, name in INCLUDE.findall(text):
            if bracket == '"' and not (ROOT / name).is_file():
                missing.append(f"{path.relative_to(ROOT)} includes \"{name}\"")
    assert not missing


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "cli"])
def test_public_headers_keep_private_libraries_out(room):
    found = [f"{path.relative_to(ROOT)} includes <{name}>"
             for path in sources(f"expo/{room}", "*.h")
             for name in includes(path) if name.startswith(PRIVATE_LIBRARIES)]
    assert not found


def test_headers_include_each_other_without_cycles():
    graph = {str(path.relative_to(ROOT)): [name for name in includes(path) if name.startswith("expo/")]
             for path in sources("expo", "*.h")}
    finished, path = set(), []

    def visit(header):
        if header in finished:
            return
        assert header not in path, "cycle: " + " -> ".join(path[path.index(header):] + [header])
        path.append(header)
        for name in graph.get(header, []):
            visit(name)
        finished.add(path.pop())

    for header in graph:
        visit(header)


def test_a_broken_order_would_be_found(tmp_path):
    source = tmp_path / "wrong.h"
    source.write_text('#pragma once\n#  include "expo/cli/command.h"\n')
    assert [name for name in includes(source) if name.split("/")[1] not in ROOMS["core"]] == [
        "expo/cli/command.h"]
