"""The page in a headless Chromium: built once, opened from a file, with everything that it says on the console kept."""

import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from report_data import page_with

ROOT = Path(os.environ.get("EXPO_SOURCE_DIR", Path(__file__).parents[2]))
KEPT = Path(os.environ.get("EXPO_BUILD_DIR", ROOT / "build/release")) / "page"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NODE = shutil.which("node")
needs_browser = pytest.mark.skipif(not (CHROMIUM and NODE), reason="there is no chromium or no node; scripts/bootstrap test installs them")


def built_page():
    """The page that page/build.mjs makes of the sources as they are, built anew in each process of tests."""
    out = KEPT / f"tested-{os.getpid()}" / "report.html"
    if not out.exists():
        done = subprocess.run([NODE, ROOT / "page/build.mjs", out], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    text = out.read_text()
    shutil.rmtree(out.parent)
    return text


class Opened:
    """A page with what the console and the network said; figures are read back from ECharts itself."""

    def __init__(self, page, said, asked):
        self.page, self.said, self.asked = page, said, asked

    def figures(self):
        return self.page.evaluate("[...window.expoReport.charts.keys()]")

    def option(self, figure):
        """The option that the figure was drawn with, as ECharts holds it."""
        text = self.page.evaluate("id => JSON.stringify(window.expoReport.charts.get(id).getOption())", figure)
        return json.loads(text)

    def series(self, figure, name):
        return next(each for each in self.option(figure)["series"] if each.get("name") == name)

    def values(self, figure, name):
        return [each["value"] if isinstance(each, dict) else each for each in self.series(figure, name)["data"]]

    def assert_quiet(self):
        assert self.said == []
        assert [url for url in self.asked if not url.startswith(("file:", "blob:"))] == []


@contextmanager
def chromium():
    from playwright.sync_api import sync_playwright
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def open_page(browser, folder, template, data, **context):
    """Opens the page of this data; `data` may be JSON's text, for what Python would not write."""
    path = Path(folder) / "report.html"
    path.write_text(page_with(template, data))
    page = browser.new_context(**{"viewport": {"width": 1200, "height": 900}} | context).new_page()
    said, asked = [], []
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready]")
    return Opened(page, said, asked)


def keep(opened, name, **options):
    """A screenshot in the build folder, to be looked at."""
    KEPT.mkdir(parents=True, exist_ok=True)
    opened.page.screenshot(path=KEPT / f"{name}.png", full_page=options.pop("full_page", True), **options)
