"""Conversations against transformers: every template with every conversation gives the same tokens and the same mask, or
is refused where transformers refuses too."""

import re

import pytest

import conversation_cases as cases
from stopped_clock import NOW
from text_program import text_tool
from turn_rule import NotFound, Turns

TEMPLATES = cases.templates()
pytest.importorskip("transformers")


def ours(what, folder, rows):
    return text_tool(what, folder, NOW, lines=rows)


def attempt(work):
    try:
        return work()
    except NotFound:
        return "not found"
    except Exception as error:  # whatever it is, the template refuses
        return f"refused: {type(error).__name__}: {error}"


def theirs_of(theirs, row, marks, parts):
    if marks:
        return theirs.marked(row)
    return Turns(theirs, row, parts).mask()


@pytest.fixture(scope="module", params=sorted(TEMPLATES))
def table(request, tmp_path_factory):
    """For each conversation: ours and theirs, of the prompt's ids and of the masked ids."""
    source = TEMPLATES[request.param]
    folder = cases.write_tokenizer(tmp_path_factory.mktemp("table") / "model", source)
    theirs = cases.Theirs(folder)
    parts = cases.reads_parts(theirs)
    rows = [row if parts else cases.joined(row) for row in cases.CONVERSATIONS.values()]
    marks = re.search(r"\{%-?\s*generation\s*-?%\}", source) is not None
    return {name: (prompt, attempt(lambda: theirs.ids(row)), mask, attempt(lambda: theirs_of(theirs, row, marks, parts)))
            for name, row, prompt, mask in zip(cases.CONVERSATIONS, rows, ours("chat", folder, cases.CONVERSATIONS.values()),
                                               ours("mask", folder, cases.CONVERSATIONS.values()))}


def test_prompts_have_the_ids_of_transformers_or_are_refused_by_both(table):
    for name, (found, expected, _, _) in table.items():
        if isinstance(expected, str):
            assert "refused" in found, (name, expected)
        else:
            assert found.get("ids") == expected, (name, found.get("refused"))


def test_masks_are_those_of_the_rule_or_the_conversation_is_refused(table):
    for name, (_, _, found, expected) in table.items():
        if isinstance(expected, str):
            assert "refused" in found, (name, expected)
            if expected == "not found":
                assert re.search(r"turn \d+, by the ", found["refused"]), (name, found)
        else:
            assert (found.get("ids"), found.get("counts")) == expected, (name, found.get("refused"))


PAIRS = sorted(name for name in TEMPLATES if f"{name}_training" in TEMPLATES)

# What TRL counts beyond the rule of docs/train.md: openings that these templates' generation prompts have, or that stand
# where the text has no generation prompt.
OPENINGS = {"<｜Assistant｜>", "<｜tool▁outputs▁end｜>", "<|start|>assistant", "<think></think>", "<think>"}


def runs(ids, counts, tokenizer):
    """The text of each run of tokens, without its spaces."""
    text, run = [], []
    for token, count in [*zip(ids, counts), (None, False)]:
        if count:
            run.append(token)
        elif run:
            text.append("".join(tokenizer.decode(run).split()))
            run = []
    return [words for words in text if words]


@pytest.mark.parametrize("name", PAIRS)
def test_the_rule_finds_what_the_marked_twin_of_a_template_marks(name, tmp_path):
    """TRL ships templates in which it marked by hand what the assistant writes. Where both twins render the same text, the
    rule finds the same in the unmarked one, but for spaces and for openings."""
    plain, marked = TEMPLATES[name], TEMPLATES[f"{name}_training"]
    folders = [cases.write_tokenizer(tmp_path / kind, plain + marked) for kind in ("plain", "marked")]
    for folder, source in zip(folders, (plain, marked)):
        (folder / "chat_template.jinja").write_text(source, encoding="utf-8")
    tokenizer = cases.Theirs(folders[0]).tokenizer
    rows = {name: row for name, row in cases.CONVERSATIONS.items() if name != "emoji"}
    same = 0
    for name, one, two in zip(rows, *(ours("mask", folder, rows.values()) for folder in folders)):
        if "refused" in one or "refused" in two or one["ids"] != two["ids"]:
            continue
        same += 1
        only_here = runs(one["ids"], [mine and not its for mine, its in zip(one["counts"], two["counts"])], tokenizer)
        only_there = runs(one["ids"], [its and not mine for mine, its in zip(one["counts"], two["counts"])], tokenizer)
        assert not only_here, name
        assert set(only_there) <= OPENINGS, name
    assert same > 0
