"""Chat templates against jinja2 as transformers sets it up: the same characters, or refused by both; what cannot be
reproduced is refused by name. No third kind."""

import json
import os

import pytest

import jinja_cases
from stopped_clock import NOW
from text_program import text_tool

pytest.importorskip("transformers")

# Why a template is refused here that jinja2 renders: each says what cannot be reproduced. The last three are slices of
# constants that have none, whose error jinja2 takes for undefined where it folds constants.
UNSUPPORTED = ("by its address", "by their address", "a random item", "makes a set", "makes bytes", "by the locale",
               "isidentifier()", "complex number", "fromhex", "beyond 64 bits", "time zone",
               "unhashable type: 'slice'", "slice indices must be", "is not subscriptable")


def ours(templates, folder):
    variables = folder / "variables.json"
    variables.write_text(json.dumps(jinja_cases.VARIABLES), encoding="utf-8")
    return text_tool("jinja", variables, NOW, lines=templates)


def test_small_templates_give_the_characters_of_jinja2_or_are_refused_by_both(tmp_path):
    count = 30_000 if os.environ.get("EXPO_LONG_TESTS") else 8_000
    cases = list(jinja_cases.answers(count))
    different, unsupported = [], []
    for (template, expected), found in zip(cases, ours([template for template, _ in cases], tmp_path), strict=True):
        if found.get("text") == expected:
            continue
        (unsupported if "refused" in found else different).append((template, expected, found))
    assert not different, (len(different), different[:5])
    unnamed = [case for case in unsupported if not any(word in case[2]["refused"] for word in UNSUPPORTED)]
    assert not unnamed, (len(unnamed), unnamed[:5])
    assert len(unsupported) < len(cases) / 100 and sum(expected is not None for _, expected in cases) > len(cases) / 3
