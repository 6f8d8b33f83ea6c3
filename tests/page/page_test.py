"""The page in headless Chromium: what it draws is what the files hold, and nothing leaves it."""

import os
import subprocess

import pytest

from browser import NODE, ROOT, keep, needs_browser, open_page
from report_data import report
from synthetic_search import SyntheticSearch

pytestmark = needs_browser


def test_types_hold():
    done = subprocess.run([NODE, "node_modules/typescript/bin/tsc", "--noEmit", "-p", "."], cwd=ROOT / "page", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_build_is_deterministic_and_small(template, tmp_path):
    subprocess.run([NODE, ROOT / "page/build.mjs", tmp_path / "again.html"], check=True, cwd=tmp_path)
    again = (tmp_path / "again.html").read_text()
    assert again == template
    assert len(again.encode()) < 1_000_000
    assert again.count("@EXPO_REPORT_DATA@") == 1 and os.fspath(ROOT) not in again


@pytest.fixture(scope="module")
def race(browser, template, tmp_path_factory):
    search = SyntheticSearch(collapsed=[25.0])
    run = search.run()
    return run, open_page(browser, tmp_path_factory.mktemp("race"), template, report(run))


def test_score_holds_the_means_and_intervals_of_the_result(race):
    run, page = race
    for part in ("choosing", "confirming"):
        expected = [(row["alpha"], row[part]["mean"], row[part]["mean"] - 1.6448536269514722 * row[part]["standard_error"],
                     row[part]["mean"] + 1.6448536269514722 * row[part]["standard_error"], row[part]["prompts"])
                    for row in run["result"]["candidates"] if row[part]]
        drawn = [(alpha, mean, low, high, prompts) for _, mean, alpha, low, high, prompts in page.values("score-0", f"{part} part")]
        assert [pytest.approx(each) for each in expected] == drawn
    keep(page, "race")
    page.assert_quiet()
