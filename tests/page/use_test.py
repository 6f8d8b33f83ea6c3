"""The page in a reader's hands: by keyboard alone, light and dark, on a phone, on paper, and for a screen reader."""

import re

import pytest

from browser import KEPT, ROOT, keep, needs_browser, open_page
from report_data import inspection_run, report
from synthetic_other import inspection, training
from synthetic_search import SyntheticSearch, with_modules

pytestmark = needs_browser
AXE = ROOT / "page/node_modules/axe-core/axe.min.js"


def whole_report():
    race = with_modules(SyntheticSearch(collapsed=[25.0], later=[16.0], prompts=80, bent=True).run("race"))
    other = SyntheticSearch(seed=2, models=["all", "fifth"], verdict="undecided").run("other")
    return report(race, other, training("one", steps=12), training("two", steps=12, seed=2, evaluations=0), inspection_run(inspection(), "change"))


@pytest.fixture(scope="module")
def data():
    return whole_report()


@pytest.fixture
def page(browser, template, tmp_path, data):
    opened = open_page(browser, tmp_path, template, data)
    yield opened
    opened.assert_quiet()
    opened.page.context.close()


LOOKS = {"light": {"color_scheme": "light"}, "dark": {"color_scheme": "dark"},
         "phone": {"viewport": {"width": 360, "height": 780}, "device_scale_factor": 2, "is_mobile": True}}


@pytest.mark.parametrize("look", LOOKS)
def test_each_look_is_accessible_and_fits_its_width(browser, template, tmp_path, data, look):
    opened = open_page(browser, tmp_path, template, data, **LOOKS[look])
    keep(opened, f"look-{look}")
    opened.page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    opened.page.evaluate(AXE.read_text())
    found = opened.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert [(each["id"], [node["html"][:200] for node in each["nodes"][:3]]) for each in found["violations"]] == []
    assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    wide = opened.page.evaluate("""[...document.querySelectorAll('.chart')].filter(
        each => each.querySelector('svg').getBoundingClientRect().right > each.getBoundingClientRect().right + 1).map(each => each.ariaLabel)""")
    assert wide == []
    opened.page.context.close()


def test_colours_follow_the_reader_while_the_page_is_open(page):
    def ink():
        return page.option("score-0")["xAxis"][0]["axisLabel"]["color"]
    light = ink()
    for scheme, same in (("dark", False), ("light", True)):
        page.page.emulate_media(color_scheme=scheme)
        for _ in range(100):  # all figures are drawn anew, which takes a busy machine long
            if (ink() == light) is same:
                break
            page.page.wait_for_timeout(200)
        assert (ink() == light) is same


def luminance(colour):
    channels = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.03928 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_colours_stand_out_from_the_paper_by_three_to_one():
    text = (ROOT / "page/src/theme.ts").read_text()
    for paper, series in re.findall(r"paper: '(#\w{6})'.*?series: \[(.*?)\]", text, re.DOTALL):
        for colour in re.findall(r"#\w{6}", series):
            high, low = sorted((luminance(colour), luminance(paper)), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 3, (colour, paper)


def test_series_differ_by_more_than_colour(page):
    for figure in ("compared-score", "score-1", "training-loss"):
        series = [each for each in page.option(figure)["series"] if each["type"] == "line" and each["data"]]
        looks = [(each["symbol"], str(each["lineStyle"]["type"]), each["lineStyle"]["width"], str(each.get("itemStyle", {}).get("color") == each["color"]))
                 for each in series]
        assert len(set(looks)) == len(looks) > 1, figure


def test_paper_holds_every_figure_whole(page):
    KEPT.mkdir(parents=True, exist_ok=True)
    before = page.option("score-0")["xAxis"][0]["axisLabel"]["color"]
    page.page.emulate_media(color_scheme="dark", media="print")
    page.page.set_viewport_size({"width": 690, "height": 1000})
    assert page.option("score-0")["xAxis"][0]["axisLabel"]["color"] == before  # ink on white, whatever the screen shows
    boxes = page.page.evaluate("""[...document.querySelectorAll('figure')].map(each => {
      const [outer, inner] = [each.getBoundingClientRect(), each.querySelector('svg').getBoundingClientRect()];
      return {height: outer.height, right: outer.right, cut: inner.right > outer.right || getComputedStyle(each).breakInside !== 'avoid'}; })""")
    assert len(boxes) == len(page.figures()) and not [box for box in boxes if box["cut"]]
    assert max(box["height"] for box in boxes) < 980  # A4 between the margins
    assert page.page.locator(".controls").first.is_hidden() and page.page.locator(".list").first.is_hidden()
    keep(page, "look-print")
    page.page.pdf(path=KEPT / "look-print.pdf", prefer_css_page_size=True)
    page.page.emulate_media(color_scheme="light", media="screen")


def test_every_control_is_reached_by_tab_and_shows_it(page):
    controls = page.page.evaluate("[...document.querySelectorAll('button, select, input, summary, a[href], [tabindex=\"0\"]')].filter(each => each.checkVisibility()).length")
    page.page.evaluate("document.body.focus()")
    reached, without = 0, []
    for _ in range(controls + 5):
        page.page.keyboard.press("Tab")
        state = page.page.evaluate("""() => { const at = document.activeElement;
          if (at === document.body || at.dataset.seen) return null;
          at.dataset.seen = 'yes';
          return [at.outerHTML.slice(0, 80), getComputedStyle(at).outlineStyle, Boolean(at.ariaLabel || at.textContent || at.labels?.length)]; }""")
        if state:
            reached += 1
            without += [] if state[1] != "none" and state[2] else [state]
    assert reached >= controls and without == []


def listbox(page):
    return page.page.get_by_role("listbox").first


def shown_prompt(page):
    return page.page.locator(".which p").first.inner_text().split(" · ")[0]


def test_the_list_is_leafed_through_by_keys(page):
    listbox(page).focus()
    for key, expected in (("ArrowDown", "Prompt 1"), ("ArrowDown", "Prompt 2"), ("ArrowUp", "Prompt 1"), ("End", "Prompt 79"), ("Home", "Prompt 0")):
        page.page.keyboard.press(key)
        assert shown_prompt(page) == expected
    page.page.keyboard.press("PageDown")
    assert int(shown_prompt(page).split()[1]) > 5
    active = listbox(page).get_attribute("aria-activedescendant")
    assert page.page.locator(f"#{active}").get_attribute("aria-selected") == "true"
    page.page.get_by_role("button", name="Next prompt").first.focus()
    before = int(shown_prompt(page).split()[1])
    page.page.keyboard.press("Enter")
    page.page.keyboard.press("Enter")
    assert shown_prompt(page) == f"Prompt {before + 2}"


def gains(run, label="α = 4", zero="α = 0"):
    """By prompt, from the file."""
    scores = {}
    for which, prompt, score in zip(*(run["answers"][name] for name in ("label", "prompt", "score"))):
        scores[run["labels"][which], prompt] = score
    return {prompt: scores[label, prompt] - scores[zero, prompt] for name, prompt in scores if name == label and (zero, prompt) in scores}


def listed(page):
    return [float(text.replace("−", "-")) for text in page.page.locator(".list").first.locator(".row .gain").all_inner_texts() if text]


@pytest.mark.parametrize("order, sign", [("largest gain first", -1), ("largest loss first", 1)])
def test_prompts_are_sorted_by_gain_and_by_loss(page, data, order, sign):
    expected = sorted(gains(data["runs"][0]).values(), key=lambda each: sign * each)
    page.page.get_by_label("Order").first.select_option(label=order)
    shown = listed(page)
    assert len(shown) > 10 and shown == expected[:len(shown)]


def test_words_filter_prompts_by_what_is_asked_and_answered(page, data):
    run = data["runs"][0]
    page.page.get_by_label("Filter").first.fill("museum SLOGAN")
    answers = {}
    for prompt, text in zip(run["answers"]["prompt"], run["answers"]["text"]):
        answers.setdefault(prompt, [run["prompts"]["text"][prompt]]).append(text)
    expected = sum(all(word in "\n".join(texts).lower() for word in ("museum", "slogan")) for texts in answers.values())
    page.page.get_by_role("status").first.filter(has_text=re.compile(f"^{expected} of")).wait_for()
    page.page.get_by_label("Filter").first.fill("no such word")
    page.page.get_by_role("status").first.filter(has_text=re.compile("^0 of")).wait_for()
    assert page.page.locator(".which p").first.inner_text() == "No prompt fits."


def test_all_alphas_of_a_prompt_stand_side_by_side_with_new_words_marked(page, data):
    run = data["runs"][0]
    prompt = 0
    texts = {run["labels"][label]: text for label, asked, text in
             zip(run["answers"]["label"], run["answers"]["prompt"], run["answers"]["text"]) if asked == prompt}
    cards = page.page.locator(".cards").first.locator(".card")
    assert {card.locator("h3 bdi").inner_text() for card in cards.all()} == set(texts)
    for card in cards.all():
        label = card.locator("h3 bdi").inner_text()
        assert card.locator(".words").inner_text() == texts[label]
        marked = [word for mark in card.locator("mark").all_inner_texts() for word in mark.split()]
        kept = common(texts["α = 0"].split(), texts[label].split())
        assert len(marked) == len(texts[label].split()) - kept


def common(one, other):
    """The length of the longest common subsequence."""
    row = [0] * (len(other) + 1)
    for word in one:
        before = 0
        for i, each in enumerate(other, 1):
            before, row[i] = row[i], before + 1 if word == each else max(row[i], row[i - 1])
    return row[-1]


def test_a_table_stands_behind_each_figure_by_keyboard(page):
    summary = page.page.get_by_label("Table of Score against α").first
    summary.focus()
    page.page.keyboard.press("Enter")
    table = page.page.get_by_role("group", name="Table: Score against α").first
    table.wait_for()
    assert table.locator("caption").count() == 1 and table.locator("th[scope=col]").count() >= 3


def test_a_figure_alone_in_its_row_takes_it_whole(browser, template, tmp_path):
    run = SyntheticSearch(alphas=[0.0, 1.0, 4.0]).run("further")
    for row in run["result"]["candidates"]:
        row["choosing"] = row["choosing"] and row["choosing"] | {"scores": {"brief": {"mean": 0.5, "standard_error": 0.1}}}
    opened = open_page(browser, tmp_path, template, report(run))
    rows = opened.page.evaluate("""() => { const rows = {}; const grid = document.querySelector('.figures');
      for (const each of grid.children) { const box = each.getBoundingClientRect(); (rows[box.top] ??= []).push(box.right); }
      return [grid.getBoundingClientRect().right, Object.values(rows)]; }""")
    assert "further-0-0" in opened.figures() and [row for row in rows[1] if abs(max(row) - rows[0]) > 1] == []
    opened.page.context.close()


@pytest.mark.parametrize("chosen", [0.0, 4.0, 25.0])
def test_what_is_chosen_is_named_above_its_whisker(browser, template, tmp_path, chosen):
    run = SyntheticSearch(chosen=chosen, later=[]).run("named")
    opened = open_page(browser, tmp_path, template, report(run), **LOOKS["phone"])
    boxes = opened.page.evaluate("""() => { const svg = document.querySelector('#figure-score-0 .chart svg');
      const word = [...svg.querySelectorAll('text')].find(each => each.textContent === 'chosen').getBoundingClientRect();
      const whole = svg.getBoundingClientRect(); return [whole.left, word.left, word.right, whole.right]; }""")
    assert boxes == sorted(boxes)
    opened.page.context.close()


def test_commands_can_be_copied(page):
    page.page.get_by_role("button", name="Copy the command").first.focus()
    page.page.keyboard.press("Enter")
    page.page.get_by_text(re.compile("Copied|Selected")).first.wait_for()
