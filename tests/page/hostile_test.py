"""Answers, names and paths are a stranger's: nothing of them runs, nothing of them reaches out, and they are shown as text."""

import json
import re
import subprocess
import time
from xml.etree import ElementTree

import pytest

from browser import keep, needs_browser, open_page
from report_data import inspection_run, report
from synthetic_other import inspection, training
from synthetic_search import SyntheticSearch, with_modules

pytestmark = needs_browser

ATTACKS = [
    "</script><script>window.ran=1</script>",
    "<img src=x onerror=window.ran=1>",
    "<svg onload=window.ran=1><a href='javascript:window.ran=1'>click</a></svg>",
    "<iframe srcdoc='<script>parent.ran=1</script>'></iframe><style>*{display:none}</style>",
    "<!-- <script> ]]> --> &lt;b&gt; @EXPO_REPORT_DATA@",
    "<form action=http://stolen.example><button>go</button></form><link rel=stylesheet href=http://stolen.example/a.css>",
    "\u001b[31mred\u001b[0m \u001b]8;;http://stolen.example\u0007link\u0000\u0008",
    "admin\u202etxt.exe \u2066isolated\u2069 \u200f\u061c zero\u200bwidth",
    "{a|rich} {b|${window.ran=1}} {{constructor.constructor('window.ran=1')()}} `${window.ran=1}`",
    "=HYPERLINK(\"http://stolen.example\",\"x\")",
]
LONE = ["\\ud800 high", "low \\udc00", "\\udbff\\ud800 both"]


def hostile_run():
    """A search whose every string is an attack; lone surrogates are put in afterwards, as JSON's escapes."""
    run = SyntheticSearch(prompts=24, alphas=[0.0, 1.0, 4.0], models=["all", "fifth"]).run(ATTACKS[0])
    texts = run["answers"]["text"]
    for i in range(len(texts)):
        texts[i] = ATTACKS[i % len(ATTACKS)] if i % 3 else f"LONE{i // 3 % len(LONE)}"
    run["prompts"]["text"] = [ATTACKS[i % len(ATTACKS)] for i in range(24)]
    run["prompts"]["id"] = [ATTACKS[(i + 1) % len(ATTACKS)] for i in range(24)]
    run["prompts"]["messages"][0] = [{"role": ATTACKS[1], "content": ATTACKS[2]}, {"role": "user", "content": [{"type": ATTACKS[3]}]}]
    run["folder"] = ATTACKS[1]
    run["missing"] = list(ATTACKS)
    run["sessions"][0] |= {"command": ATTACKS[0], "machine": {"processor": ATTACKS[1]}, "started": ATTACKS[2]}
    run["result"] |= {"warnings": list(ATTACKS), "sft": ATTACKS[0], "scorer": ATTACKS[1], "data": ATTACKS[2]}
    run["settings"]["settings"][ATTACKS[0]] = {ATTACKS[1]: ATTACKS[2], "__proto__": {"polluted": ATTACKS[3]}}
    return json.loads(json.dumps(run).replace("fifth", ATTACKS[1].replace("'", "")).replace('"all', '"' + ATTACKS[2].replace("'", "")))


def hostile_training():
    run = training(ATTACKS[0])
    for line in run["metrics"]:
        line[ATTACKS[1]] = 1.0
        line["__proto__"] = 2.0
    return run


def hostile_inspection():
    made = inspection()
    for tensor in made["tensors"]:
        tensor["kind"] = ATTACKS[1]
        tensor["name"] = ATTACKS[2]
    return inspection_run(made | {"verdict": {"headline": ATTACKS[0], "evidence": ATTACKS}}, ATTACKS[3])


@pytest.fixture(scope="module")
def page(browser, template, tmp_path_factory):
    text = json.dumps(report(hostile_run(), hostile_training(), hostile_inspection(), command=ATTACKS[0], expo=ATTACKS[1], made=ATTACKS[2]))
    text = re.sub(r"LONE(\d)", lambda match: LONE[int(match[1])], text)
    return open_page(browser, tmp_path_factory.mktemp("hostile"), template, text)


def test_nothing_runs_and_nothing_is_asked(page):
    assert page.page.evaluate("typeof window.ran") == "undefined"
    assert page.page.evaluate("({}).polluted === undefined")
    page.assert_quiet()


def test_no_element_comes_from_data(page):
    tags = set(page.page.evaluate("[...document.querySelectorAll('#page *')].map(each => each.localName)"))
    assert not tags & {"script", "img", "iframe", "form", "link", "object", "embed", "base", "meta", "style", "audio", "video"}
    assert page.page.evaluate("[...document.querySelectorAll('#page a')].every(each => each.getAttribute('href').startsWith('#'))")
    handlers = page.page.evaluate("[...document.querySelectorAll('*')].some(each => each.getAttributeNames().some(name => name.startsWith('on')))")
    assert handlers is False


def test_each_answer_is_shown_as_its_text(page):
    page.page.locator(".list").focus()
    seen = set()
    for _ in range(24):
        seen.update(page.page.locator(".card .words").all_inner_texts())
        page.page.keyboard.press("ArrowDown")
    text = "\n".join(seen)
    for attack in ATTACKS[:6]:
        assert attack in text
    assert "⟨ESC⟩[31mred⟨ESC⟩[0m" in text and "⟨BEL⟩" in text and "⟨NUL⟩" in text
    assert "admin⟨U+202E⟩txt.exe ⟨U+2066⟩isolated⟨U+2069⟩" in text and "zero⟨U+200B⟩width" in text
    assert "\ufffd high" in text and "low \ufffd" in text
    for forbidden in "\u202e\u2066\u200f\u001b\u0000":
        assert forbidden not in page.page.inner_text("#page")


def test_figures_show_hostile_names_as_text_and_their_svg_holds_no_element_of_them(page):
    keep(page, "hostile")
    for figure in ("score-0", "training-loss", "heat-0", "race-0"):
        with page.page.expect_download() as waiting:
            page.page.locator(f"#figure-{figure} button", has_text="SVG").click()
        svg = waiting.value.path().read_text(encoding="utf-8")
        elements = list(ElementTree.fromstring(svg).iter())
        assert {each.tag.split("}")[1] for each in elements} <= {"svg", "g", "path", "text", "rect", "circle", "style", "defs", "clipPath",
                                                                 "polyline", "line", "linearGradient", "stop", "tspan"}
        assert not [name for each in elements for name in each.attrib if name.startswith("on") or "href" in name]
    page.assert_quiet()


def test_a_spreadsheet_gets_no_formula(page):
    with page.page.expect_download() as waiting:
        page.page.locator("#figure-heat-0 button", has_text="CSV").click()
    lines = waiting.value.path().read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines if re.match(r'"?[=+@]', line)]


def test_the_policy_stops_what_would_run_all_the_same(page):
    """Were an element of a stranger's to come in by some mistake, the policy would still hold it."""
    page.page.evaluate("""() => {
      const script = document.createElement('script');
      script.textContent = 'window.ran = 1';
      document.body.append(script);
      const image = document.createElement('img');
      image.src = 'https://stolen.example/a.png';
      document.body.append(image);
      return fetch('https://stolen.example/').catch(() => 0);
    }""")
    deadline = time.monotonic() + 30
    while len(refused := [each for each in page.said if "Content Security Policy" in each]) < 3 and time.monotonic() < deadline:
        page.page.wait_for_timeout(20)
    assert page.page.evaluate("typeof window.ran") == "undefined"
    assert len(refused) >= 3, page.said
    page.said.clear()


WORDS = ["a; touch ran", "$(touch ran)", "`touch ran`", "it's; touch ran;'", "a && touch ran", "-rf", "--json", "~/x", "=ls", "a|b>c", "# no", "*", "!!"]


def recommending(word):
    run = SyntheticSearch(prompts=12, alphas=[0.0, 4.0]).run("recommended")
    run["result"] |= {"sft": word, "model": word, "on_mismatch": word, "setting": {"dtype": word, "rounding": word, "rounding_seed": 0}}
    return run


@pytest.fixture(scope="module")
def clipboard(browser, template, tmp_path_factory):
    """A page that shows one report after the other, and keeps what its buttons put into the clipboard."""
    opened = open_page(browser, tmp_path_factory.mktemp("clipboard"), template, report())
    opened.page.evaluate("""() => Object.defineProperty(navigator, 'clipboard', {
        value: {writeText: async text => { window.put.push(text); }}})""")
    yield opened
    opened.assert_quiet()


def copied(clipboard, run):
    """What all of its buttons copy, and the text of the page."""
    return clipboard.page.evaluate("""report => {
        window.put = [];
        const problem = window.expoReport.show(report);
        if (problem) throw new Error(problem);
        document.querySelectorAll('button[aria-label="Copy the command"]').forEach(each => each.click());
        return [window.put, document.getElementById('page').innerText]; }""", report(run, command=run["result"]["sft"]))


@pytest.mark.parametrize("word", WORDS)
def test_a_copied_command_holds_a_strangers_words_as_words(clipboard, tmp_path, word):
    put, _ = copied(clipboard, recommending(word))
    command = next(each for each in put if each.startswith("expo extrapolate"))
    told = ["bash", "-c", f"expo() {{ printf '%s\\0' \"$@\"; }}; {command}"]
    place = f"./{word}" if word.startswith("-") else word
    done = subprocess.run(told, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split("\0")[:-1] == ["extrapolate", place, place, "-o", "OUT", "--alpha", "4", "--out-dtype", word, "--rounding", word,
                                            "--on-mismatch", word]
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("word", ["a\ntouch ran\n", "a\rtouch ran", "a\tb", "\u001b[201~touch ran", "a\u202eb", "a\u2028b", "a\u200bb", "a\u0085b"])
@pytest.mark.parametrize("key", ["sft", "model", "on_mismatch", "setting", "folder", "command"])
def test_nothing_with_hidden_characters_is_copied(clipboard, key, word):
    run = recommending("plain")
    if key == "setting":
        run["result"]["setting"]["rounding"] = word
    elif key == "folder":
        run = with_modules(run) | {"folder": word}
    elif key == "command":
        run["sessions"][0]["command"] = word
    else:
        run["result"][key] = word
    put, text = copied(clipboard, run)
    assert [each for each in put if word in each or any(ord(letter) < 32 for letter in each)] == []
    assert any(each.startswith("expo extrapolate") for each in put) == (key == "command")
    assert ("holds line breaks or hidden characters" in text) == (key in ("command", "sft"))  # the page's own command is made of sft here


def test_verdicts_with_names_of_a_languages_own_are_words(clipboard):
    run = with_modules(SyntheticSearch(prompts=12, alphas=[0.0, 4.0]).run("names"))
    run["result"]["modules"]["verdict"] = "constructor"
    _, text = copied(clipboard, run)
    assert "; constructor." in text and "native code" not in text


def test_huge_numbers_of_samples_stay_apart(browser, template, tmp_path):
    run = SyntheticSearch(prompts=12, alphas=[0.0, 4.0], samples=2).run("samples")
    run["answers"]["sample"] = [each * 1e300 for each in run["answers"]["sample"]]
    opened = open_page(browser, tmp_path, template, report(run))
    opened.page.get_by_role("status").filter(has_text="24 of 24 samples").wait_for()
    opened.assert_quiet()
    opened.page.context.close()


def test_a_megabyte_in_one_line_is_shortened_and_can_be_shown(browser, template, tmp_path):
    run = SyntheticSearch(prompts=12, alphas=[0.0, 4.0]).run("long")
    run["answers"]["text"][0] = "a" * 1_000_000
    run["answers"]["text"][-1] = "b " * 500_000
    run["prompts"]["text"][0] = "p" * 1_000_000
    opened = open_page(browser, tmp_path, template, report(run))
    card = opened.page.locator(".card", has_text="Show all").first
    assert len(card.inner_text()) < 10_000
    card.get_by_role("button", name="Show all").click()
    assert opened.page.evaluate("Math.max(...[...document.querySelectorAll('.words')].map(each => each.textContent.length))") >= 1_000_000
    assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    opened.assert_quiet()


def test_an_answer_whose_new_words_are_not_marked_says_so(browser, template, tmp_path):
    """Few words, but too many at α = 0 to be compared with."""
    run = SyntheticSearch(prompts=12, alphas=[0.0, 4.0]).run("long at zero")
    run["answers"]["text"][0] = "w " * 1_000_000
    opened = open_page(browser, tmp_path, template, report(run))
    short = opened.page.locator(".card", has=opened.page.get_by_text("α = 4", exact=True)).first
    assert short.locator("mark").count() == 0 and "Too long for its differences to be marked." in short.inner_text()
    opened.assert_quiet()
    opened.page.context.close()


def test_ten_thousand_rows_open_soon(browser, template, tmp_path):
    run = SyntheticSearch(prompts=10_000, alphas=[0.0, 4.0], later=[]).run("large")
    start = time.monotonic()
    opened = open_page(browser, tmp_path, template, report(run))
    took = opened.page.evaluate("performance.now()")
    print(f"opened in {took:.0f} ms of the page, {time.monotonic() - start:.1f} s in all")
    assert opened.page.locator(".row").count() < 60
    assert opened.page.locator(".row").first.get_attribute("aria-setsize") == "10000"
    assert took < 20_000  # a page that hangs; about a second on a machine that is free
    opened.page.get_by_placeholder("words in prompt").fill("topic 9999,")
    opened.page.get_by_role("status").filter(has_text="1 of").wait_for()
    opened.assert_quiet()
