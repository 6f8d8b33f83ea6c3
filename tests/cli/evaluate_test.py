"""`expo evaluate` against published figures, liblinear and an independent bootstrap, and what it refuses."""

import csv
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from checkpoints import EXPO, expo

ROOT = Path(os.environ.get("EXPO_SOURCE_DIR", Path(__file__).parents[2]))
DATA = ROOT / "data/alpaca_eval"
SHARED = ROOT / "../shared/data/alpaca_eval"
CANDIDATES = np.logspace(-4, 4, 10)

PUBLISHED = ROOT / "tests/evaluation/published"  # one published model, which ships with the tests

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=(
    "../shared is absent, so the figures of its four models are not compared with the published ones; those of the "
    "model in tests/evaluation/published are"))
needs_liblinear = pytest.mark.skipif(not __import__("importlib.util").util.find_spec("sklearn"),
                                     reason="scikit-learn is not there; scripts/bootstrap test installs it")


def table(path):
    return np.genfromtxt(path, delimiter=",", names=True)


def evaluate(*arguments, **options):
    return json.loads(expo("evaluate", *arguments, "--json", **options).stdout)


def refused(*arguments, code=3):
    done = expo("evaluate", *arguments, check=False)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert done.stderr.startswith("expo: ") and done.stderr.count("\n") == 1
    return done.stderr


def synthetic(seed, rows=805, lengths=None):
    """Preferences that depend on length and difficulty: index, len_baseline, len_model, preference."""
    print("seed", seed)
    rng = np.random.default_rng(seed)
    baseline = table(DATA / "gamed_baselines.csv")["len_baseline"][:rows].astype(int) if lengths is None else lengths
    model = np.maximum(1, baseline * rng.lognormal(-0.3, 0.6, rows)).astype(int)
    difficulty = table(DATA / "instruction_difficulty.csv")["instruction_difficulty"][:rows]
    z = -1.5 - 0.8 * np.tanh((baseline - model) / 900) + 0.7 * difficulty + rng.normal(0, 1.5, rows)
    preference = np.round(1 + 1 / (1 + np.exp(-z)), 10)
    preference[rng.random(rows) < 0.02] = 1.5
    return np.arange(rows), baseline, model, preference


def write(path, columns):
    lines = [f"{i},{a},{b},{p:.17g}" for i, a, b, p in zip(*columns, strict=True)]
    path.write_text("index,len_baseline,len_model,preference\n" + "\n".join(lines) + "\n")
    return path


def standardised(baseline, model):
    delta = np.asarray(baseline, float) - np.asarray(model, float)
    return np.tanh(delta / delta.std(ddof=1))


def design(columns, difficulty):
    _, baseline, model, preference = columns
    features = np.c_[standardised(baseline, model), difficulty, np.ones(len(baseline))]
    return features, np.asarray(preference) - 1, np.ones(len(baseline))


def liblinear(features, labels, weights, c):
    """AlpacaEval's fit: every row twice, with label 1 and weight y and with label 0 and weight 1 − y."""
    from sklearn.linear_model import LogisticRegression
    model = LogisticRegression(l1_ratio=1, solver="liblinear", C=c, fit_intercept=False, tol=1e-10, max_iter=1000000)
    model.fit(np.r_[features, features], np.r_[np.ones(len(labels)), np.zeros(len(labels))],
              sample_weight=np.r_[labels * weights, (1 - labels) * weights])
    return model.coef_[0]


def controlled(coefficients, difficulty):
    return 100 * np.mean(1 / (1 + np.exp(-(coefficients[1] * difficulty + coefficients[2]))))


def cross_validated(features, labels, weights, folds=5):
    """The candidate with the least loss; row i is in fold (n − 1 − i) mod 5."""
    fold = (len(labels) - 1 - np.arange(len(labels))) % folds
    losses = []
    for c in CANDIDATES:
        parts = []
        for k in range(folds):
            train, test = fold != k, fold == k
            chance = 1 / (1 + np.exp(-features[test] @ liblinear(features[train], labels[train], weights[train], c)))
            loss = labels[test] * np.log(chance) + (1 - labels[test]) * np.log(1 - chance)
            parts.append(-np.mean(loss * weights[test]))
        losses.append(np.mean(parts))
    return CANDIDATES[np.argmin(losses)]


def official_folder(folder, seed):
    """A made-up df_gamed.csv over the real instructions; returns its design too."""
    rng = np.random.default_rng(seed)
    difficulty = rng.normal(0, 2, 805)
    deltas = rng.normal(0, 1, (2, 805))
    labels = np.round(1 / (1 + np.exp(-(deltas + 0.2 * difficulty + rng.normal(0, 1, (2, 805))))), 12)
    folder.mkdir()
    with open(folder / "df_gamed.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["model", "index", "preference", "std_delta_len", "instruction_difficulty", "not_gamed_baseline"])
        for name, delta, label in zip(("verbose, gpt4", "concise"), deltas, labels):
            writer.writerows([name, i, repr(float(label[i])), repr(float(delta[i])), repr(float(difficulty[i])), False]
                             for i in range(805))
    features = np.c_[np.tanh(deltas).ravel(), np.tile(difficulty, 2), np.zeros(1610)]
    return difficulty, (features, labels.ravel(), np.full(1610, 0.1))


@pytest.mark.parametrize("folder", [PUBLISHED, pytest.param(SHARED, marks=needs_shared)], ids=["shipped", "shared"])
def test_published_rows_are_computed_again_by_one_command(folder):
    with open(folder / "expected.csv") as file:
        expected = list(csv.DictReader(file))
    files = [folder / f"{row['model']}.csv" for row in expected]
    found = evaluate("alpaca", "--annotations", *files)
    found = found if isinstance(found, list) else [found]
    # The C that the published fits had chosen.
    chosen = {"zephyr-7b-alpha": 2.782559, "zephyr-7b-sft-full": 21.544347, "zephyr_0.05": 2.782559,
              "zephyr_0.1": 1291.549665}
    for row, ours, path in zip(expected, found, files, strict=True):
        for key, value in row.items():
            if key == "model":
                assert ours[key] == value
            elif key != "length_controlled_winrate":
                assert ours[key] == pytest.approx(float(value), abs=1e-9), key
        published = float(row["length_controlled_winrate"])
        assert ours["length_controlled_winrate"] == pytest.approx(published, abs=0.15)
        assert ours["alpaca_eval"] and ours["comparable"] is None and ours["fit"]["chosen"] == "published"
        assert ours["length_controlled_95"][0] < published < ours["length_controlled_95"][1]
        given = evaluate("alpaca", "--annotations", path, "--regularisation", chosen[row["model"]])
        assert given["length_controlled_winrate"] == pytest.approx(published, abs=0.02)


def read_again(path):
    """A table's columns by name, read without anything that wrote it; NaN where a cell is empty."""
    with open(path) as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(row[name] or "nan") for row in rows]) for name in rows[0]}


def assert_minimal(fit, slope):
    """Where the loss is smallest, its slope balances that of |β|, which is anything from −1 to 1 at 0."""
    for beta, part in zip((fit["length"], fit["difficulty"], fit["constant"]), slope, strict=True):
        if beta:
            assert part == pytest.approx(-np.sign(beta), abs=1e-5)
        else:
            assert abs(part) <= 1 + 1e-5


@pytest.mark.parametrize("failures", [[], [3, 90, 400]])
def test_the_default_fit_is_the_minimum_of_alpaca_evals_loss(tmp_path, failures):
    """Written from AlpacaEval's definition, and shares nothing with the other tests but the files. Rows that the judge
    failed on count for the standard deviation of the lengths and for the mean, but not for the fit."""
    path = shutil.copy(PUBLISHED / "zephyr-7b-sft-full.csv", tmp_path / "m.csv")
    lines = path.read_text().splitlines()
    for i in failures:
        lines[i + 1] = lines[i + 1].rsplit(",", 1)[0] + ","
    path.write_text("\n".join(lines) + "\n")
    found = evaluate("alpaca", "--annotations", path, "--allow-missing")
    fit, ours = found["fit"], read_again(path)
    difficulty = read_again(DATA / "instruction_difficulty.csv")["instruction_difficulty"]
    gamed = read_again(DATA / "gamed_baselines.csv")
    with open(DATA / "gamed_sums.csv") as file:
        sums = [float(row["sum"]) for row in csv.DictReader(file)]

    def length_feature(model):
        delta = gamed["len_baseline"] - model
        return np.tanh(delta / np.std(delta, ddof=1))

    def chance(length, constant):
        return 1 / (1 + np.exp(-(fit["length"] * length + fit["difficulty"] * difficulty + constant)))

    assert fit["regularisation"] == pytest.approx(21.544346900318832) and fit["chosen"] == "published"
    length = length_feature(ours["len_model"])
    judged = ~np.isnan(ours["preference"])
    assert (found["n_failed"], found["n_total"]) == (len(failures), 805 - len(failures))
    residual = (chance(length, fit["constant"]) - (ours["preference"] - 1))[judged]
    slope = np.array([residual @ length[judged], residual @ difficulty[judged], residual.sum()])
    for name in ("len_verbose", "len_concise"):
        feature = length_feature(gamed[name])
        slope[0] += 0.1 * chance(feature, 0) @ feature
        slope[1] += 0.1 * chance(feature, 0) @ difficulty
    slope[:2] -= 0.1 * np.array(sums)
    assert_minimal(fit, fit["regularisation"] * slope)
    assert found["length_controlled_winrate"] == pytest.approx(100 * np.mean(chance(0, fit["constant"])), abs=1e-9)


@needs_liblinear
@pytest.mark.parametrize("c", [0.05, 1.7, 21.544346900318832, 10000])
def test_fits_without_difficulties_are_liblinears(tmp_path, c):
    columns = synthetic(11)
    path = write(tmp_path / "a.csv", columns)
    found = evaluate("alpaca", "--annotations", path, "--other-instructions", "--regularisation", c)
    coefficients = liblinear(*design(columns, np.zeros(805)), c)
    fit = found["fit"]
    assert (fit["regularisation"], fit["chosen"]) == (c, "given")
    assert [fit["length"], fit["difficulty"], fit["constant"]] == pytest.approx(coefficients, abs=1e-6)
    assert found["length_controlled_winrate"] == pytest.approx(controlled(coefficients, np.zeros(805)), abs=1e-6)
    assert found["alpaca_eval"] is False and found["comparable"] is False


@needs_liblinear
@pytest.mark.parametrize("c", [0.02, 2.782559402207126, 166.81])
def test_fits_with_official_rows_are_liblinears(tmp_path, c):
    columns = synthetic(12)
    difficulty, gamed = official_folder(tmp_path / "official", 13)
    path = write(tmp_path / "a.csv", columns)
    found = evaluate("alpaca", "--annotations", path, "--alpaca-eval-data", tmp_path / "official",
                     "--regularisation", c)
    whole = [np.concatenate(parts) for parts in zip(gamed, design(columns, difficulty))]
    coefficients = liblinear(*whole, c)
    fit = found["fit"]
    assert [fit["length"], fit["difficulty"], fit["constant"]] == pytest.approx(coefficients, abs=1e-6)
    assert found["length_controlled_winrate"] == pytest.approx(controlled(coefficients, difficulty), abs=1e-6)
    assert found["alpaca_eval"] is True


@needs_liblinear
def test_the_regularisation_is_cross_validated(tmp_path):
    chosen = set()
    for seed in (21, 22):
        columns = synthetic(seed, rows=40)
        path = write(tmp_path / "a.csv", columns)
        found = evaluate("alpaca", "--annotations", path, "--other-instructions")["fit"]
        assert found["chosen"] == "cross-validated"
        assert found["regularisation"] == pytest.approx(cross_validated(*design(columns, np.zeros(40))))
        chosen.add(found["regularisation"])
    columns = synthetic(23)
    difficulty, gamed = official_folder(tmp_path / "official", 24)
    path = write(tmp_path / "a.csv", columns)
    found = evaluate("alpaca", "--annotations", path, "--alpaca-eval-data", tmp_path / "official")["fit"]
    whole = [np.concatenate(parts) for parts in zip(gamed, design(columns, difficulty))]
    assert found["regularisation"] == pytest.approx(cross_validated(*whole))
    print("chosen", chosen, found["regularisation"])


@needs_liblinear
def test_intervals_are_those_of_an_independent_bootstrap(tmp_path):
    columns = synthetic(31, rows=200)
    other = synthetic(32, rows=200)
    paths = [write(tmp_path / name, rows) for name, rows in (("a.csv", columns), ("b.csv", other))]
    options = ["--other-instructions", "--regularisation", 20]
    rows = evaluate("alpaca", "--annotations", *paths, *options)
    compared = evaluate("compare", *paths, *options)
    rng = np.random.default_rng(33)
    draws = rng.integers(0, 200, (400, 200))

    def rates(rows):
        return np.array([controlled(liblinear(*design([part[draw] for part in rows], np.zeros(200)), 20), np.zeros(200))
                         for draw in draws])

    def wins(rows):
        return np.array([100 * np.mean(rows[3][draw] - 1) for draw in draws])

    a, b = rates(columns), rates(other)
    for values, found in ((a, rows[0]["length_controlled_95"]), (b, rows[1]["length_controlled_95"]),
                          (b - a, compared["length_controlled_winrate"]["difference_95"]),
                          (wins(other) - wins(columns), compared["win_rate"]["difference_95"])):
        # The quantiles of 400 resamples are known to about a tenth of the standard deviation.
        assert found == pytest.approx(np.quantile(values, [0.025, 0.975]), abs=0.5 * values.std())
    assert compared["win_rate"]["difference"] == pytest.approx(rows[1]["win_rate"] - rows[0]["win_rate"])
    assert compared["first"]["length_controlled_winrate"] == rows[0]["length_controlled_winrate"]


def test_both_formats_give_the_same_row(tmp_path):
    columns = synthetic(41)
    table_path = write(tmp_path / "m.csv", columns)
    rows = [{"instruction": f"i{i}", "output_1": "é" * int(a), "generator_1": "gpt4_1106_preview", "output_2": "b" * int(b),
             "generator_2": "m", "annotator": "weighted_alpaca_eval_gpt4_turbo", "preference": float(p)}
            for i, a, b, p in zip(*columns)]
    (tmp_path / "annotations.json").write_text(json.dumps(rows))
    first = evaluate("alpaca", "--annotations", table_path)
    second = evaluate("alpaca", "--annotations", tmp_path / "annotations.json")
    assert second["comparable"] is True and second["notes"] == []
    assert second["baseline"] == "gpt4_1106_preview" and first["baseline"] is None
    told = {"comparable", "notes", "baseline", "judge"}
    assert {k: v for k, v in first.items() if k not in told} == {k: v for k, v in second.items() if k not in told}
    assert first["fit"]["regularisation"] == pytest.approx(10 ** (4 / 3))
    assert first["avg_length"] == int(columns[2].mean())


def test_rows_in_another_order_give_the_same_figures(tmp_path):
    columns = synthetic(42)
    order = np.random.default_rng(43).permutation(805)
    first = evaluate("alpaca", "--annotations", write(tmp_path / "a.csv", columns))
    shuffled = write(tmp_path / "b.csv", [part[order] for part in columns])
    done = expo("evaluate", "alpaca", "--annotations", shuffled, "--json")
    assert {**json.loads(done.stdout), "model": "a"} == first
    assert done.stderr.count("\n") == 1 and "not in the order of their indices" in done.stderr


def test_bad_rows_are_named(tmp_path):
    columns = synthetic(44)
    good = write(tmp_path / "good.csv", columns).read_text().splitlines()

    def alpaca(lines, *options, code=3):
        (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
        return refused("alpaca", "--annotations", tmp_path / "a.csv", *options, code=code)

    assert "there is no row with the index 17" in alpaca(good[:18] + good[19:])
    assert "a.csv:807: the index 3 is also that of" in alpaca(good + [good[4]])
    failed = good[:10] + ["9," + ",".join(good[10].split(",")[1:3]) + ",NaN"] + good[11:]
    assert "a.csv:11: the row with the index 9 has no preference" in alpaca(failed)
    row = evaluate("alpaca", "--annotations", tmp_path / "a.csv", "--allow-missing")
    assert (row["n_failed"], row["n_total"]) == (1, 804)
    assert "over 804 of 805 rows" in row["notes"][0]
    lengths = [line.split(",") for line in good[1:]]
    swapped = [good[0]] + [",".join([a[0], *b[1:]]) for a, b in zip(lengths, lengths[:5] + lengths[6:] + lengths[5:6])]
    assert "a.csv:7: the baseline's answer of index 5" in alpaca(swapped)
    assert "is \"m\"; expected a finite number" in alpaca([*good[:5], "4,1,1,m"])


def test_wrong_use_is_refused(tmp_path):
    path = write(tmp_path / "a.csv", synthetic(45, rows=20))
    assert "evaluate: \"alpca\" is not a command; the commands are alpaca, compare" in refused("alpca", code=2)
    assert "evaluate: a command is missing" in refused(code=2)
    assert "--annotations" in refused("alpaca", code=2)
    for number in ("0", "nan", "-nan", "inf", "1e7", "-1", "x", ""):
        message = refused("alpaca", "--annotations", path, f"--regularisation={number}", code=2)
        assert "--regularisation" in message
        assert "is not a number from 1e-06 to 1e+06" in message or not number
    for option in ("--resamples", "--seed"):
        for number in ("nan", "inf", "-1"):
            assert option in refused("alpaca", "--annotations", path, f"{option}={number}", code=2)
    assert "has no effect" in refused("alpaca", "--annotations", path, "--other-instructions", "--alpaca-eval-data",
                                      tmp_path, code=2)
    assert "df_gamed.csv" in refused("alpaca", "--annotations", path, "--alpaca-eval-data", tmp_path)
    assert "missing.csv" in refused("alpaca", "--annotations", tmp_path / "missing.csv")


def test_other_instructions_need_none_of_the_data_that_ship(tmp_path):
    (tmp_path / "bin").mkdir()
    program = shutil.copy(EXPO, tmp_path / "bin/expo")
    path = write(tmp_path / "a.csv", synthetic(48, rows=40))

    def alone(*arguments):
        return subprocess.run([program, "evaluate", *arguments], capture_output=True, text=True, check=False)
    for command in (["alpaca", "--annotations", path], ["compare", path, path]):
        done = alone(*command)
        assert done.returncode == 4 and "which ships with expo, is not there" in done.stderr
        done = alone(*command, "--other-instructions", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == evaluate(*command, "--other-instructions")


def test_the_baseline_itself_has_half(tmp_path):
    rows = [{"output_1": "a" * i, "output_2": "b" * i, "generator_1": "base", "generator_2": "base", "preference": 1.5}
            for i in range(1, 20)]
    (tmp_path / "annotations.json").write_text(json.dumps(rows))
    arguments = ["alpaca", "--annotations", tmp_path / "annotations.json"]
    found = evaluate(*arguments)
    assert (found["length_controlled_winrate"], found["length_controlled_95"], found["fit"]) == (50, [50, 50], None)
    text = expo("evaluate", *arguments).stdout
    assert "50 by definition" in text and "length control with" not in text


def test_text_says_what_limits_the_figures(tmp_path):
    first = write(tmp_path / "first.csv", synthetic(46, rows=50, lengths=np.arange(50) + 10))
    second = write(tmp_path / "second.csv", synthetic(47, rows=50, lengths=np.arange(50) + 10))
    lines = expo("evaluate", "alpaca", "--annotations", first, second).stdout.splitlines()
    assert lines[0].split()[:2] == ["model", "win"] and lines[1].startswith("first ") and lines[2].startswith("second ")
    assert sum("neither difficulties nor gamed rows" in line for line in lines) == 1
    text = expo("evaluate", "compare", first, second).stdout
    assert "difference (95 %)" in text and "50 rows of both, 2000 resamples" in text
