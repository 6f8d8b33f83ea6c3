"""Runs of every shape: what is there is shown, what is not is said, and nothing fails."""

import itertools
import json

import pytest

from browser import keep, needs_browser, open_page
from report_data import NOTHING, inspection_run, page_with, report
from synthetic_other import inspection, training
from synthetic_search import SyntheticSearch, with_modules

pytestmark = needs_browser


def search(**options):
    return SyntheticSearch(**options).run("a search")


def without_confirmation():
    """The choosing part preferred α = 0, so nothing was confirmed."""
    run = search(chosen=0.0, verdict="no-worthwhile-gain")
    run["result"] |= {"confirmation": None, "gain": None, "interval": None, "p": None}
    return run


def of_earlier_version():
    run = search(prompts=20)
    for row in run["result"]["candidates"]:
        for key in ("effective_alpha", "lost", "collapsed"):
            del row[key]
    run["result"]["scorer"] = "scorer 'python check.py'"
    for key in ("modules", "shown", "second"):
        del run["result"][key]
    return run | {"sessions": [], "missing": ["sessions.jsonl is not there: the search was made by an earlier version."]}


def with_further_objective():
    run = search(alphas=[0.0, 1.0, 4.0])
    for row in run["result"]["candidates"]:
        for part in ("choosing", "confirming"):
            if row[part]:
                row[part]["scores"] = {"brief": {"mean": 0.5, "standard_error": 0.1}}
    run["result"]["shown"] = {"brief": {"prompts": 30, "difference": -0.1, "standard_error": 0.05}}
    return run


SEARCH = {"gain-0", "score-0", "length-0", "truncated-0", "repetition-0", "drift-0", "effective-0", "lost-updates-0"}
RACED = SEARCH | {"race-0", "tokens-0"}
UNFINISHED = {"score-0", "race-0", "tokens-0"}
SHAPES = {  # name: (runs, words on the page, figures)
    "gain": (lambda: [search()], ["α = 4 is better than ALIGNED", "expo extrapolate sft aligned -o OUT --alpha 4"], RACED),
    "undecided": (lambda: [search(verdict="undecided")], ["is undecided", "About 517 prompts"], RACED),
    "no gain": (lambda: [without_confirmation()], ["Nothing worthwhile is gained over ALIGNED", "prefers α = 0 itself"], RACED - {"gain-0"} | {"gain-0"}),
    "several checkpoints": (lambda: [search(models=["all", "fifth"])],
                            ["all α = 4 is better than all α = 0", "Checkpoints compared", "+ ExPO, α = 4"], RACED),
    "baseline": (lambda: [search(baseline="all/final")], ["α = 4 is better than all/final"], RACED),
    "modules": (lambda: [with_modules(search())], ["An α for each kind of module", "--recipe"], RACED | {"modules-0"}),
    "pairs": (lambda: [search(answered=False)], ["it has no answers to show"], {"gain-0", "score-0", "drift-0", "race-0", "effective-0", "lost-updates-0"}),
    "one α": (lambda: [search(alphas=[0.0], chosen=0.0, verdict="no-worthwhile-gain")], ["Nothing worthwhile"], None),
    "unfinished": (lambda: [SyntheticSearch().run("a search", finished=False)],
                   ["This search is not finished", "search.json is not there"], UNFINISHED),
    "nothing yet": (lambda: [{"kind": "search", "name": "new", "folder": "new", "missing": ["trace.jsonl is not there."], "result": None,
                              "settings": None, "sessions": [], "looks": [], **NOTHING}], ["not finished", "trace.jsonl is not there."], set()),
    "earlier version": (lambda: [of_earlier_version()], ["made by an earlier version", "scored by program 'python check.py'"],
                        RACED - {"effective-0", "lost-updates-0"}),
    "further objective": (lambda: [with_further_objective()], ["brief, shown and not tested: −0.100 ± 0.050"], None),
    "training": (lambda: [training()], ["Training training", "99.0 % of the updates lost", "2026-11-29 08:00 UTC, for 1 h 12 min",
                                           "A trainer's processor, 16 cores, 64 GB, amx, cuda"], None),
    "training without steps": (lambda: [training() | {"metrics": []}], ["No step has been logged yet."], set()),
    "inspection": (lambda: [inspection_run(inspection(spectrum=False))], ["one small step of training", "a warning of the inspection"],
                   {"heat-0", "rounded-0", "lost-0"}),
    "inspection of one checkpoint": (lambda: [inspection_run({"location": "sft", "tensors": [{"name": "a", "shape": [1]}]})], ["Weight change"], set()),
    "nothing": (lambda: [], ["An empty report"], set()),
}


@pytest.mark.parametrize("name", SHAPES)
def test_each_shape_is_shown(browser, template, tmp_path, name):
    make, words, figures = SHAPES[name]
    opened = open_page(browser, tmp_path, template, report(*make()))
    text = opened.page.inner_text("#page")
    for each in words:
        assert each in text
    if figures is not None:
        assert set(opened.figures()) - {"tokens-0"} == figures - {"tokens-0"}
        assert name == "pairs" or ("tokens-0" in opened.figures()) == ("tokens-0" in figures)
    assert "NaN" not in text and "undefined" not in text and "[object" not in text and "null" not in text
    opened.assert_quiet()
    keep(opened, f"shape-{name.replace(' ', '-')}")
    opened.page.context.close()


def test_another_schema_is_one_sentence(browser, template, tmp_path):
    opened = open_page(browser, tmp_path, template, {"schema": "expo-report-9"})
    assert "another schema than expo-report-1" in opened.page.inner_text("#page")
    opened.assert_quiet()


def test_damaged_data_is_one_sentence(browser, template, tmp_path):
    opened = open_page(browser, tmp_path, template, "{")
    assert "cannot show its data" in opened.page.inner_text("#page") and "are damaged" in opened.page.inner_text("#page")
    assert not [each for each in opened.said if each.startswith("error: ")]


def test_data_beyond_the_browsers_longest_text_is_one_sentence(browser, template, tmp_path):
    """A browser that holds no text of this length: its decoder throws, or gives nothing."""
    for decode in ("() => { throw new RangeError('Invalid string length'); }", "() => ''"):
        page = browser.new_context().new_page()
        page.add_init_script(f"TextDecoder.prototype.decode = {decode};")
        path = tmp_path / "large.html"
        path.write_text(page_with(template, report(training())))
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]")
        assert "more than this browser can hold in one text; make a page of fewer runs or answers." in page.inner_text("#page")
        page.context.close()


# Wrong kinds of values where others are expected, at every place of a run.
WRONG = [None, 7, "text", [], {}, [None], True, -1e308, [[1]], [{"alpha": "x"}]]


def broken(value, depth, turn):
    """The value with each of its members in turn replaced by something wrong; further down every second one, as each case is drawn."""
    for key in value:
        number = next(turn)
        for wrong in WRONG[:4] if depth == 0 else WRONG[number // 2 % len(WRONG):][:1] if number % 2 == 0 else []:
            yield value | {key: wrong}
        inner = value[key]
        if isinstance(inner, list) and inner and isinstance(inner[0], dict):
            yield from (value | {key: [each, *inner[1:]]} for each in broken(inner[0], depth + 1, turn))
        if isinstance(inner, dict):
            yield from (value | {key: each} for each in broken(inner, depth + 1, turn))


RUNS = {"search": lambda: SyntheticSearch(prompts=12, alphas=[0.0, 1.0, 4.0]).run("a search"), "training": lambda: training(steps=6),
        "inspection": lambda: inspection_run(inspection(layers=1))}


@pytest.mark.parametrize("name", RUNS)
def test_values_of_wrong_kinds_do_not_end_the_page(browser, template, tmp_path, name):
    run = json.loads(json.dumps(RUNS[name]()))
    opened = open_page(browser, tmp_path, template, report(run))
    cases = list(broken(run, 0, itertools.count()))
    said = opened.page.evaluate("reports => reports.map(window.expoReport.show)", [report(case) for case in cases])
    assert len(cases) > 30 and [each for each in said if each] == []
    opened.assert_quiet()
