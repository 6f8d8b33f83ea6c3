"""Holds every include to the layer order that cmake/rooms.cmake writes down."""

import os
import re
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("EXPO_SOURCE_DIR", Path(__file__).parents[1]))
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)
# What a public header may not pull into the programs of others: its version could clash with theirs.
PRIVATE_LIBRARIES = ("fmt/", "yaml-cpp/", "xxhash", "Eigen/", "gtest/", "CLI/")

LARGEST_ROOM = 32


def rooms():
    """{room: the rooms it may include}, in the order of the file."""
    text = (ROOT / "cmake/rooms.cmake").read_text()
    entries = re.findall(r'"([a-z/]+):([a-z/,]*)"', text)
    assert entries, "cmake/rooms.cmake names no room"
    allowed = {}
    for room, needs in entries:
        allowed[room] = {room}
        for needed in filter(None, needs.split(",")):
            assert needed in allowed, f"{room} needs {needed}, which does not stand above it"
            allowed[room] |= allowed[needed]
    return allowed


ROOMS = rooms()
TOP_ROOMS = sorted({room.split("/")[0] for room in ROOMS})


def room_of(header):
    """The room of "expo/room/name.h": the folder that it lies in."""
    return str(Path(header).relative_to("expo").parent)


def includes(path):
    return [name for _, name in INCLUDE.findall(path.read_text())]


def sources(folder, *patterns):
    return sorted(path for pattern in patterns for path in (ROOT / folder).rglob(pattern))


def sources_of(room):
    return sorted(path for pattern in ("*.h", "*.cpp") for path in (ROOT / "expo" / room).glob(pattern))


def violations(paths, allowed):
    found = []
    for path in paths:
        for name in includes(path):
            if name.startswith("expo/") and room_of(name) not in allowed:
                found.append(f"{path.relative_to(ROOT)} includes {name}")
    return found


def public_headers():
    return re.findall(r"^  (expo/\S+\.h)$", (ROOT / "cmake/public_headers.cmake").read_text(), re.MULTILINE)


def test_every_folder_is_a_room():
    folders = {room_of(path.relative_to(ROOT)) for path in sources("expo", "*.h", "*.cpp")}
    assert folders <= set(ROOMS), f"not in cmake/rooms.cmake: {folders - set(ROOMS)}"


def test_every_room_has_a_sentence_on_the_map():
    text = (ROOT / "ARCHITECTURE.md").read_text()
    missing = [room for room in ROOMS if f"](expo/{room})" not in text]
    assert not missing, f"ARCHITECTURE.md does not name {missing}"


def test_no_room_is_a_heap():
    heaps = {room: len(sources_of(room)) for room in ROOMS if len(sources_of(room)) > LARGEST_ROOM}
    assert not heaps, "rooms of so many files want folders"


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_includes_only_what_stands_above_it(room):
    assert not violations(sources_of(room), ROOMS[room])


@pytest.mark.parametrize("top", TOP_ROOMS)
def test_tests_of_a_room_include_only_what_they_are_linked_with(top):
    # Tests are linked with all rooms in the folder; tests/support, which all may use, with these two.
    rooms_above = set().union(*(ROOMS[room] for room in ROOMS if room.split("/")[0] == top),
                              ROOMS["checkpoint/open"], ROOMS["checkpoint/output"])
    assert not violations(sources(f"tests/{top}", "*.h", "*.cpp"), rooms_above)


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
             for path in sources_of(room) if path.suffix == ".h"
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
    assert [name for name in includes(source) if room_of(name) not in ROOMS["core"]] == ["expo/cli/command.h"]


def test_a_room_below_may_not_be_included_by_the_one_above_it_in_the_same_folder():
    assert "checkpoint/gguf" not in ROOMS["checkpoint"] and "checkpoint" in ROOMS["checkpoint/gguf"]


def test_public_headers_are_there_and_include_only_public_ones():
    listed = set(public_headers())
    assert listed
    missing = {name for name in listed if not (ROOT / name).is_file()}
    assert not missing
    private = {f"{header} includes {name}" for header in listed for name in includes(ROOT / header)
               if name.startswith("expo/") and name not in listed}
    assert not private


TYPE = re.compile(r"^(?:  )?(?:class|struct|enum class)\s+(\w+)(?:\s+final)?(?:\s*:\s*[^;{]+)?\s*\{")


def undocumented(header):
    """Types without a comment above them; of the private parts of classes nothing is asked."""
    found, before, private = [], "", False
    for line in (ROOT / header).read_text().splitlines():
        if line.startswith("}"):
            private = False
        if line.strip() in ("private:", "public:"):
            private = line.strip() == "private:"
        match = TYPE.match(line)
        if match and not private and not before.lstrip().startswith("///") and not before.startswith("template"):
            found.append(f"{header}: {match[1]}")
        before = line
    return found


def test_every_public_type_has_a_sentence():
    missing = [name for header in public_headers() for name in undocumented(header)]
    assert not missing
