"""What the charts hold, read back from the page, against what Python computes from the same files."""

import csv
import io

import numpy as np
import pytest

from browser import needs_browser, open_page
from report_data import inspection_run, report
from synthetic_other import inspection, training
from synthetic_search import SyntheticSearch, with_modules

pytestmark = needs_browser
NINETY = 1.6448536269514722
NINETY_FIVE = 1.959963984540054
JUDGED = [{"label": "α = -1", "alpha": -1.0, "win_rate": 41.5, "standard_error": 2.5, "discrete_win_rate": 40.0, "n_total": 30,
           "avg_length": 812, "length_controlled_winrate": 44.25, "length_controlled_95": [39.5, 49.0]},
          {"label": "α = 8", "alpha": 8.0, "win_rate": 61.25, "standard_error": 2.0, "discrete_win_rate": 60.0, "n_total": 30,
           "avg_length": 1311, "length_controlled_winrate": 53.5, "length_controlled_95": [48.25, 58.0]}]


def approx(rows):
    return [pytest.approx(row) for row in rows]


@pytest.fixture(scope="module")
def runs():
    race = SyntheticSearch(collapsed=[25.0], later=[16.0], bent=True).run("race")
    race["result"]["judged"] = JUDGED
    other = SyntheticSearch(seed=2, quality=lambda alpha: 0.5 - 0.01 * alpha, chosen=1.0, verdict="undecided").run("other")
    return {"race": with_modules(race), "other": other, "one": training("one"), "two": training("two", steps=40, seed=2, evaluations=0),
            "inspection": inspection_run(inspection(), "change")}


@pytest.fixture(scope="module")
def page(browser, template, tmp_path_factory, runs):
    return open_page(browser, tmp_path_factory.mktemp("charts"), template, report(*runs.values()))


def test_nothing_is_said_on_the_console_and_nothing_asked_of_a_network(page):
    page.assert_quiet()


@pytest.mark.parametrize("part", ["choosing", "confirming"])
def test_score_holds_means_and_intervals(page, runs, part):
    expected = [(row["alpha"], row[part]["mean"], row[part]["mean"] - NINETY * row[part]["standard_error"],
                 row[part]["mean"] + NINETY * row[part]["standard_error"], row[part]["prompts"])
                for row in runs["race"]["result"]["candidates"] if row[part]]
    assert [tuple(each[2:3] + each[1:2] + each[3:]) for each in page.values("score-0", f"{part} part")] == approx(expected)


@pytest.mark.parametrize("measure", ["length", "truncated", "repetition"])
def test_costs_hold_the_measures(page, runs, measure):
    for part in ("choosing", "confirming"):
        expected = [(row["alpha"], row[part][measure]) for row in runs["race"]["result"]["candidates"] if row[part]]
        assert [(each[2], each[1]) for each in page.values(f"{measure}-0", f"{part} part")] == approx(expected)


def symmetric_log(alpha, threshold):
    size = abs(alpha) / threshold
    return alpha / threshold if size <= 1 else np.sign(alpha) * (1 + np.log(size))


def test_alpha_stands_where_a_symmetric_logarithm_puts_it(page, runs):
    # The largest α that was scored is 16, and 0.5 is the largest of the α below a 25th of it.
    drawn = page.values("length-0", "choosing part")
    offsets = [each[0] - symmetric_log(each[2], 0.5) for each in drawn]
    assert offsets == approx([offsets[0]] * len(drawn))
    assert "linear up to |α| = 0.5 and logarithmic beyond" in page.page.inner_text("#figure-score-0 figcaption")


def test_gain_holds_the_tested_differences(page, runs):
    result = runs["race"]["result"]
    equal = result["confirmation"]["at_equal_length"]
    expected = [(each["gain"], *each["interval"]) for each in (result["training"], result["confirmation"])]
    expected.append((equal["gain"], equal["gain"] - NINETY * equal["standard_error"], equal["gain"] + NINETY * equal["standard_error"]))
    drawn = page.values("gain-0", "difference")
    assert [tuple(each) for each in drawn[:3]] == approx(expected)
    assert drawn[3] == [0.08, 0.01, None]  # modules; an open end stays open


def test_win_rates_hold_what_the_judge_said(page):
    spread = [NINETY_FIVE * each["standard_error"] for each in JUDGED]
    expected = [(each["win_rate"], each["win_rate"] - wide, each["win_rate"] + wide) for each, wide in zip(JUDGED, spread, strict=True)]
    assert [tuple(each[:3]) for each in page.values("judged-0", "win rate")] == approx(expected)
    controlled = [(each["length_controlled_winrate"], *each["length_controlled_95"]) for each in JUDGED]
    assert [tuple(each[:3]) for each in page.values("judged-0", "at equal length")] == approx(controlled)
    assert "judged-1" not in page.figures()  # no judge was asked there


def test_the_race_holds_each_look(page, runs):
    looks = [line for line in runs["race"]["looks"] if "look" in line and "modules" not in line["candidates"][0]]
    labels = [row["label"] for row in runs["race"]["result"]["candidates"] if row["alpha"] >= 0]
    expected, gone = [], {}
    for label in labels:
        for column, look in enumerate(looks):
            entry = next((each for each in look["candidates"] if each["label"] == label), None)
            if entry is None or label in gone:
                continue
            expected.append((column, labels.index(label), entry["mean"], entry["rows"]))
            if not entry["alive"]:
                gone[label] = column
    assert sorted(map(tuple, page.values("race-0", "looks"))) == approx(sorted(expected))
    assert sorted(map(tuple, page.values("race-0", "left out"))) == sorted((column, labels.index(label)) for label, column in gone.items())
    assert page.values("race-0", "dropped unscored") == [[0, labels.index("α = 25")]]
    assert [each.rstrip(" ◆") for each in page.option("race-0")["yAxis"][0]["data"]] == labels


def test_tokens_are_compared_with_the_full_grid(page, runs):
    run = runs["race"]
    looks = [line["tokens"] for line in run["looks"] if "look" in line and "modules" not in line["candidates"][0]]
    assert page.values("tokens-0", "tokens") == [0, *looks, 17000]
    choosing = [part == "choosing" for part in run["prompts"]["part"]]
    prices = {label: [] for label in run["labels"]}
    for label, prompt, tokens in zip(*(run["answers"][name] for name in ("label", "prompt", "tokens"))):
        if choosing[prompt]:
            prices[run["labels"][label]].append(tokens)
    asked = [row["label"] for row in run["result"]["candidates"] if row["alpha"] >= 0 and row["alpha"] != 25]
    expected = sum(choosing) * (sum(np.mean(prices[label]) for label in asked) + 96)  # α = 25 never ended
    level = page.series("tokens-0", "tokens")["markLine"]["data"][0]["yAxis"]
    assert level == pytest.approx(expected)


def test_parts_that_an_earlier_version_does_not_name_are_told_by_what_was_answered(page, browser, template, tmp_path, runs):
    earlier = runs["race"] | {"prompts": runs["race"]["prompts"] | {"part": [None] * len(runs["race"]["prompts"]["part"])}}
    opened = open_page(browser, tmp_path, template, report(earlier))
    grids = [each.series("tokens-0", "tokens")["markLine"]["data"][0] for each in (page, opened)]
    assert grids[0] == grids[1] and grids[0]["name"].startswith("the full grid")
    for part in ("choosing", "confirming"):
        opened.page.locator("select", has=opened.page.locator("option[value=choosing]")).select_option(value=part)
        opened.page.get_by_role("status").filter(has_text="30 of").wait_for()
    opened.page.context.close()


def test_drift_stands_beside_the_score(page, runs):
    rows = [row for row in runs["race"]["result"]["candidates"] if row["drift_from_sft"] is not None]
    expected = sorted((row["drift_from_sft"], row["confirming"]["mean"]) for row in rows)
    assert [tuple(each) for each in page.values("drift-0", "compared")] == approx(expected)


def rounded(opened, figure, name):
    return [(each[2], each[1]) for each in opened.values(figure, name)]


def rounding_of(run):
    setting = run["result"]["setting"]
    return f"{'to nearest' if setting['rounding'] == 'nearest' else 'stochastically'} in {setting['dtype']}"


@pytest.mark.parametrize("number, run", [(0, "race"), (1, "other")])
def test_effective_alphas_and_lost_updates_are_those_of_the_result(page, runs, number, run):
    rows = [row for row in runs[run]["result"]["candidates"] if row["alpha"] >= 0]
    assert rounded(page, f"effective-{number}", "after rounding") == approx([(row["alpha"], row["effective_alpha"]) for row in rows])
    assert (f". The effective α is what is left of an α once the model is rounded {rounding_of(runs[run])}, as all models of this "
            "search are: the slope") in page.page.inner_text(f"#figure-effective-{number} figcaption")
    assert rounded(page, f"lost-updates-{number}", "lost") == approx([(row["alpha"], row["lost"]) for row in rows if row["alpha"] != 0])


def test_each_checkpoint_has_its_own_effective_alphas(browser, template, tmp_path):
    run = SyntheticSearch(models=["all", "fifth"], bent=True).run("pair")
    for row in run["result"]["candidates"]:
        if row["model"] == "fifth" and row["alpha"] > 0:
            row |= {"effective_alpha": 0.5 * row["alpha"], "lost": 0.9}
    opened = open_page(browser, tmp_path, template, report(run))
    for model in ("all", "fifth"):
        rows = [row for row in run["result"]["candidates"] if row["model"] == model and row["alpha"] > 0]
        assert rounded(opened, "effective-0", model)[1:] == approx([(row["alpha"], row["effective_alpha"]) for row in rows])
        assert rounded(opened, "lost-updates-0", model) == approx([(row["alpha"], row["lost"]) for row in rows])
    opened.assert_quiet()
    opened.page.context.close()


def test_an_earlier_version_names_only_the_alphas_that_rounding_bends(browser, template, tmp_path):
    run = SyntheticSearch(bent=True).run("earlier")
    for row in run["result"]["candidates"]:
        del row["lost"]
        row["effective_alpha"] = 0.8 if row["alpha"] == 1 else None
    opened = open_page(browser, tmp_path, template, report(run))
    alphas = [row["alpha"] for row in run["result"]["candidates"] if row["alpha"] >= 0]
    assert rounded(opened, "effective-0", "after rounding") == approx([(each, 0.8 if each == 1 else each) for each in alphas])
    assert "lost-updates-0" not in opened.figures()
    opened.page.context.close()


def test_negative_numbers_of_axes_have_a_minus_and_no_hyphen(browser, template, tmp_path):
    run = SyntheticSearch().run("drifted")
    for row in run["result"]["candidates"]:
        if row["drift_from_sft"] is not None:
            row["drift_from_sft"] -= 1
    opened = open_page(browser, tmp_path, template, report(run))
    words = opened.page.locator("#figure-drift-0 svg text").all_text_contents()
    negative = [each for each in words if each[:1] in ("-", "\N{MINUS SIGN}") and each[1:].replace(".", "").isdigit()]
    assert negative and all(each[0] == "\N{MINUS SIGN}" for each in negative)
    opened.page.context.close()


def test_points_of_modules_stand_in_four_panels(page, runs):
    points = runs["race"]["result"]["modules"]["points"]
    for name in ("attention", "mlp", "rest", "slope"):
        assert [tuple(each) for each in page.values("modules-0", name)] == approx([(each[name], each["mean"]) for each in points])


def test_searches_are_compared_by_their_choosing_parts(page, runs):
    for figure, key in (("compared-score", "mean"), ("compared-length", "length")):
        for name in ("race", "other"):
            rows = [row for row in runs[name]["result"]["candidates"] if row["alpha"] >= 0 and row["choosing"]]
            drawn = [(each[2], each[1]) for each in page.values(figure, name)]
            assert drawn == approx([(row["alpha"], row["choosing"][key]) for row in rows])
    assert [each["markLine"]["data"][0]["xAxis"] for each in page.option("compared-score")["series"]] == approx(
        [symmetric_log(4, 1), symmetric_log(1, 1)])


def test_the_comparison_has_a_row_for_each_model_with_and_without_expo(page, runs):
    result = runs["race"]["result"]
    by_label = {row["label"]: row for row in result["candidates"]}
    zero, best = by_label["α = 0"], by_label["α = 4"]
    rows = [[cell.strip() for cell in row.split("\t")] for row in page.page.inner_text("#comparison table").splitlines()]
    chosen = next(row for row in rows if row[0] == "+ ExPO, α = 4")
    for column, part in ((1, "choosing"), (2, "confirming")):
        mean, gain = best[part]["mean"], best[part]["mean"] - zero[part]["mean"]
        assert chosen[column] == f"{mean:.3f} ({gain:+.3f})"
    assert chosen[4] == "gain" and ["SFT", "", f"{by_label['α = -1']['confirming']['mean']:.3f}"] == next(row for row in rows if row[0] == "SFT")[:3]


METRICS = {"loss": ["loss"], "margins": ["rewards/margins"], "accuracies": ["rewards/accuracies"], "rate": ["learning_rate"],
           "gradient": ["grad_norm"], "speed": ["tokens_per_second"], "rewards": ["rewards/chosen", "rewards/rejected"],
           "logps": ["logps/chosen", "logps/rejected"]}


@pytest.mark.parametrize("panel", METRICS)
def test_trainings_are_drawn_over_each_other(page, runs, panel):
    for run in ("one", "two"):
        for key in METRICS[panel]:
            name = f"{run}, {key.split('/')[1]}" if len(METRICS[panel]) > 1 else run
            expected = [(line["step"], line[key]) for line in runs[run]["metrics"] if key in line]
            assert [tuple(each) for each in page.values(f"training-{panel}", name)] == approx(expected)


def test_evaluations_stand_beside_the_training(page, runs):
    for panel, key in (("loss", "eval_loss"), ("margins", "eval_rewards/margins")):
        expected = [(line["step"], line[key]) for line in runs["one"]["metrics"] if key in line]
        assert len(expected) == 3
        assert [tuple(each) for each in page.values(f"training-{panel}", "one, evaluation")] == approx(expected)


def test_heat_is_the_relative_norm_by_layer_and_kind(page, runs):
    sums = {}
    for each in runs["inspection"]["inspection"]["tensors"]:
        place = "–" if each["layer"] is None else str(each["layer"]), each["kind"]
        sums.setdefault(place, []).append((each["delta_norm"], each["sft_norm"]))
    expected = {place: np.linalg.norm([one for one, _ in norms]) / np.linalg.norm([other for _, other in norms])
                for place, norms in sums.items()}
    option = page.option("heat-0")
    layers, kinds = option["xAxis"][0]["data"], option["yAxis"][0]["data"]
    drawn = {(layers[x], kinds[y]): value for x, y, value in page.values("heat-0", "relative")}
    assert drawn == {place: pytest.approx(value) for place, value in expected.items()}
    assert len(expected) == 6 * 8 + 2 and layers == [*map(str, range(6)), "–"]


def test_spectrum_and_rounding_are_those_of_the_inspection(page, runs):
    json = runs["inspection"]["inspection"]
    values = json["tensors"][0]["spectrum"]
    assert [tuple(each) for each in page.values("spectrum-0", json["tensors"][0]["name"])] == approx(list(enumerate(values, 1)))
    rounding = json["total"]["rounding"]
    assert [(each[2], each[1]) for each in page.values("rounded-0", "after rounding")] == approx(
        [(each["alpha"], each["effective_alpha"]) for each in rounding])
    assert [(each[2], each[1]) for each in page.values("lost-0", "lost")] == approx([(each["alpha"], each["lost"]) for each in rounding])


def test_the_csv_holds_what_the_figure_does(page, runs):
    with page.page.expect_download() as waiting:
        page.page.get_by_role("button", name="Save Score against α as CSV").nth(1).click()
    text = waiting.value.path().read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    candidates = runs["race"]["result"]["candidates"]
    assert [row["candidate"] for row in rows] == [row["label"] for row in candidates]
    for row, candidate in zip(rows, candidates):
        for part in ("choosing", "confirming"):
            value = row[f"mean score, {part} part"]
            assert (float(value) if value else None) == (candidate[part] and candidate[part]["mean"])
    assert waiting.value.suggested_filename == "score-0.csv"


def test_each_figure_has_a_table_of_its_numbers(page):
    for figure in page.figures():
        details = page.page.locator(f"#figure-{figure} details.behind")
        details.evaluate("each => { each.open = true; }")
        page.page.wait_for_selector(f"#figure-{figure} table tbody tr")
    table = page.page.locator("#figure-gain-0 tbody tr")
    assert table.count() == 4
