"""The statistics of a search against numpy and scipy, and against plain enumeration."""

import itertools
import json
import math
import os
import subprocess

import numpy as np
import pytest

stats = pytest.importorskip("scipy.stats", reason="scipy is not there; scripts/bootstrap installs it")

TOOL = os.path.join(os.environ["EXPO_BUILD_DIR"], "tests", "search_tool")


def ask(*requests):
    text = "".join(json.dumps(request) + "\n" for request in requests)
    result = subprocess.run([TOOL], input=text, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in result.stdout.splitlines()]


def one(**request):
    return ask(request)[0]


def test_summaries_are_numpys():
    values = np.random.default_rng(1).gamma(2, size=57)
    found = one(op="summary", values=values.tolist())
    assert found["mean"] == pytest.approx(values.mean(), rel=1e-12)
    assert found["deviation"] == pytest.approx(values.std(ddof=1), rel=1e-12)
    assert found["standard_error"] == pytest.approx(stats.sem(values), rel=1e-12)
    assert found["skewness"] == pytest.approx(stats.skew(values), rel=1e-10)
    assert one(op="summary", values=[3.0])["standard_error"] == 0
    assert one(op="summary", values=[2.0, 2.0])["skewness"] == 0


def test_quantiles_are_scipys():
    for p in (1e-9, 0.01, 0.05, 0.3, 0.5, 0.8, 0.975, 0.9999):
        assert one(op="normal", p=p) == pytest.approx(stats.norm.ppf(p), abs=1e-10)
        for freedom in (1, 2, 3.5, 10, 98, 1000):
            assert one(op="student", p=p, freedom=freedom) == pytest.approx(
                stats.t.ppf(p, freedom), rel=1e-7, abs=1e-9)


def test_the_sign_test_is_the_binomial_one():
    for successes, trials in ((0, 0), (0, 5), (4, 4), (5, 5), (3, 10), (211, 400), (250, 400), (900, 1000)):
        expected = stats.binomtest(successes, trials, alternative="greater").pvalue if trials else 1
        assert one(op="sign_test", successes=successes, trials=trials) == pytest.approx(expected, rel=1e-9)


def test_needed_prompts():
    # The figures: a gain of 0.09 needs about 340 prompts, 0.05 about 1,110.
    assert one(op="needed", deviation=0.67, gain=0.09) == 343
    assert one(op="needed", deviation=0.67, gain=0.05) == 1111
    z = stats.norm.ppf(0.95) + stats.norm.ppf(0.8)
    assert one(op="needed", deviation=1.3, gain=0.2) == math.ceil((z * 1.3 / 0.2) ** 2)


def studentized(values):
    return values.mean() / (values.std(ddof=1) / math.sqrt(len(values)))


def enumerated_p(values, centre=0.0):
    """By the definition: over all flips, those whose studentised mean is at least the observed one."""
    values = np.asarray(values) - centre
    observed = studentized(values)
    flips = np.array(list(itertools.product([1, -1], repeat=len(values))))
    return np.mean([studentized(flip * values) >= observed - 1e-9 for flip in flips])


def test_few_differences_are_enumerated():
    values = np.random.default_rng(2).normal(0.5, 1, size=9)
    found = one(op="sign_flip", values=values.tolist(), at=0.2)
    assert found["method"] == "enumeration"
    assert found["p"] == pytest.approx(enumerated_p(values), abs=1e-12)
    assert found["at"] == pytest.approx(enumerated_p(values, 0.2), abs=1e-12)


def test_the_p_value_is_scipys():
    values = np.random.default_rng(3).exponential(size=12) - 0.6
    found = one(op="sign_flip", values=values.tolist())
    expected = stats.permutation_test((values,), lambda x, axis: x.mean(axis=axis), permutation_type="samples",
                                      alternative="greater", n_resamples=np.inf, vectorized=True)
    assert found["p"] == pytest.approx(expected.pvalue, abs=1e-12)


def test_zeros_and_ones_have_the_exact_sign_test():
    # Four wins and no loss among 60 prompts: 0.0625, where a bootstrap excludes zero.
    found = one(op="sign_flip", values=[1.0] * 4 + [0.0] * 56)
    assert found["method"] == "sign_test"
    assert found["p"] == pytest.approx(0.0625, abs=1e-12)
    found = one(op="sign_flip", values=[1.0] * 61 + [-1.0] * 40 + [0.0] * 299)
    assert found["p"] == pytest.approx(stats.binomtest(61, 101, alternative="greater").pvalue, rel=1e-9)
    assert one(op="sign_flip", values=[0.0] * 50)["p"] == 1


def test_means_of_zeros_and_ones_are_convolved():
    few = [0.5, 1, 0, -0.5, 0.5, 0.5, 1, -0.5, 0, 0.5]
    found = one(op="sign_flip", values=few)
    assert found["method"] == "lattice"
    assert found["p"] == pytest.approx(enumerated_p(few), abs=1e-12)
    many = (np.random.default_rng(4).integers(-3, 5, size=200) / 3).tolist()
    exact = one(op="sign_flip", values=many)
    # A tiny shift takes the values off the lattice, and leaves the distribution as it is.
    drawn = one(op="sign_flip", values=[v * math.pi for v in many], draws=60000)
    assert exact["method"] == "lattice" and drawn["method"] == "monte_carlo"
    assert drawn["p"] == pytest.approx(exact["p"], abs=4 * math.sqrt(exact["p"] / 60000) + 1 / 60000)


def test_random_flips_count_the_identity():
    values = (5 + np.random.default_rng(5).normal(size=40)).tolist()
    assert one(op="sign_flip", values=values, draws=999)["p"] == pytest.approx(1 / 1000)
    same = ask(*[dict(op="sign_flip", values=values, draws=999, seed=7)] * 2)
    assert same[0] == same[1]


@pytest.mark.parametrize("size", [10, 80])
def test_intervals_invert_the_test(size):
    values = np.random.default_rng(size).gamma(1.5, size=size)
    for confidence, key in ((0.9, "interval_90"), (0.95, "interval_95")):
        low, high = one(op="sign_flip", values=values.tolist())[key]
        tail = (1 - confidence) / 2
        step = 1e-9
        # "The mean is at most c" is rejected just below the lower bound, and not above it.
        below, above = ask(*[dict(op="sign_flip", values=values.tolist(), at=low + s) for s in (-step, step)])
        assert below["at"] <= tail + 1e-9 and above["at"] > tail + 1e-9
        mirrored = (-values).tolist()
        below, above = ask(*[dict(op="sign_flip", values=mirrored, at=-high + s) for s in (-step, step)])
        assert below["at"] <= tail + 3e-4 and above["at"] > tail - 3e-4


def test_intervals_never_contradict_the_p_value():
    rng = np.random.default_rng(12)
    requests = []
    for near in range(150):
        # About at the edge of 5 %: wins that exceed losses by 1.645 standard deviations.
        decided = int(rng.integers(14, 120))
        wins = int(round(decided / 2 + 1.645 * math.sqrt(decided) / 2 + rng.integers(-1, 2)))
        values = [1.0] * wins + [-1.0] * (decided - wins) + [0.0] * int(rng.integers(0, 200))
        if near % 3 == 0:  # means of two samples
            values = (np.array(values) / 2 + rng.integers(-1, 2, size=len(values)) / 2).tolist()
        requests += [dict(op="sign_flip", values=values, seed=near),
                     dict(op="sign_flip", values=[-value for value in values], seed=near)]
    found = ask(*requests)
    edge = 0
    for one_way, other_way in zip(found[::2], found[1::2]):
        edge += 0.03 < one_way["p"] < 0.08
        for key, tail in (("interval_90", 0.05), ("interval_95", 0.025)):
            for side in (one_way, other_way):
                assert (side["p"] <= tail) == (side[key][0] > 0), side
            assert (one_way["p"] <= tail) == (other_way[key][1] < 0), (one_way, other_way)
    assert edge > 50


def test_intervals_are_near_students_for_normal_values():
    values = np.random.default_rng(6).normal(0.4, 1, size=300)
    low, high = one(op="sign_flip", values=values.tolist(), draws=40000)["interval_95"]
    expected = stats.t.interval(0.95, 299, values.mean(), stats.sem(values))
    assert (low, high) == pytest.approx(expected, abs=0.01)


def test_too_few_differences_have_no_interval():
    found = one(op="sign_flip", values=[0.3, 0.1, 0.7])
    assert found["interval_95"] == [None, None]  # infinite


def test_the_gain_at_equal_length_is_scipys_intercept():
    rng = np.random.default_rng(7)
    lengths = rng.normal(30, 50, size=90)
    scores = 0.04 + 0.002 * lengths + rng.normal(0, 0.3, size=90)
    found = one(op="equal_length", scores=scores.tolist(), lengths=lengths.tolist())
    expected = stats.linregress(lengths, scores)
    assert found["gain"] == pytest.approx(expected.intercept, rel=1e-10)
    assert found["per_unit"] == pytest.approx(expected.slope, rel=1e-10)
    assert found["standard_error"] == pytest.approx(expected.intercept_stderr, rel=1e-10)
    half = stats.t.ppf(0.975, 88) * expected.intercept_stderr
    assert found["interval"] == pytest.approx([expected.intercept - half, expected.intercept + half], rel=1e-8)
    assert one(op="equal_length", scores=[1, 2, 3], lengths=[4, 4, 4]) is None


def nested_scores(rng, counts, means):
    prompts = rng.normal(0, 0.4, size=max(counts))
    return [(prompts[:n] + mean + rng.normal(0, 0.3, size=n)).tolist() for n, mean in zip(counts, means)]


def variances(scores, counts):
    """Pooled over the blocks of prompts that are known of the same candidates."""
    rest = between = rest_df = between_df = shares = 0.0
    start = 0
    for end in sorted(set(counts)):
        block = np.array([s[start:end] for s in scores if len(s) >= end]).T
        n, k = block.shape
        centred = block - block.mean(1, keepdims=True) - block.mean(0) + block.mean()
        rest += (centred ** 2).sum()
        rest_df += (n - 1) * (k - 1)
        between += ((block.mean(1) - block.mean()) ** 2).sum()
        between_df += n - 1
        shares += (n - 1) / k
        start = end
    rest /= rest_df
    return max(0.0, (between - rest * shares) / between_df), rest


def generalised_least_squares(scores, prompt, rest):
    """On the plain vector of all scores, with the full covariance."""
    rows = [(c, p) for c, s in enumerate(scores) for p in range(len(s))]
    y = np.array([scores[c][p] for c, p in rows])
    design = np.array([[c == k for k in range(len(scores))] for c, _ in rows], float)
    cov = np.array([[prompt * (p == q) + rest * ((c, p) == (d, q)) for d, q in rows] for c, p in rows])
    inverse = np.linalg.inv(cov)
    covariance = np.linalg.inv(design.T @ inverse @ design)
    return covariance @ design.T @ inverse @ y, covariance


COUNTS = [20, 12, 20, 5, 12]
MEANS = [0.1, 0.3, 0.2, 0.0, 0.25]


def test_the_layout_is_fitted_by_generalised_least_squares():
    scores = nested_scores(np.random.default_rng(8), COUNTS, MEANS)
    found = one(op="layout", alphas=[0, 1, 2, 4, 8], scores=scores)
    prompt, rest = variances(scores, COUNTS)
    means, covariance = generalised_least_squares(scores, prompt, rest)
    assert found["deviation"] == pytest.approx(math.sqrt(prompt + rest), rel=1e-9)
    assert found["means"] == pytest.approx(means, rel=1e-8)
    assert np.array(found["covariance"]) == pytest.approx(covariance, rel=1e-8)


def place(alpha):
    return math.copysign(math.log1p(abs(alpha) / 0.05), alpha)


def gaussian_process(alphas, known, means, covariance, unit, families=None):
    """A mixture over reach and size of regressions by the textbook formulas."""
    places = np.array([place(a) for a in alphas])
    distance = np.abs(places[:, None] - places)
    akin = np.ones_like(distance) if families is None else np.equal.outer(families, families)
    parts = []
    for reach in (0.35, 0.7, 1.4, 2.8):
        for size in (0.03, 0.08, 0.2, 0.5, 1.2):
            scaled = math.sqrt(3) * distance / reach
            kernel = (size * unit) ** 2 * (0.95 * akin * (1 + scaled) * np.exp(-scaled) + 0.05 * np.eye(len(alphas)))
            kernel += (2 * unit) ** 2
            seen = kernel[:known, :known] + covariance
            gain = kernel[:, :known] @ np.linalg.inv(seen)
            evidence = stats.multivariate_normal(np.zeros(known), seen).logpdf(means)
            parts.append((evidence, gain @ means, kernel - gain @ kernel[:known]))
    weights = np.exp([p[0] - max(q[0] for q in parts) for p in parts])
    weights /= weights.sum()
    mean = sum(w * p[1] for w, p in zip(weights, parts))
    spread = sum(w * (p[2] + np.outer(p[1] - mean, p[1] - mean)) for w, p in zip(weights, parts))
    return mean, spread


def test_the_belief_is_gaussian_process_regression():
    scores = nested_scores(np.random.default_rng(9), COUNTS, MEANS)
    alphas, proposals = [0, 1, 2, 4, 8], [3.0, 16.0]
    found = one(op="belief", alphas=alphas, scores=scores, proposals=proposals)
    assert found["candidates"] == [0, 1, 2, 3, 4]
    prompt, rest = variances(scores, COUNTS)
    means, covariance = generalised_least_squares(scores, prompt, rest)
    level = means.mean()
    mean, spread = gaussian_process(alphas + proposals, 5, means - level, covariance, math.sqrt(prompt + rest))
    assert found["mean"] == pytest.approx(mean + level, abs=1e-8)
    assert np.array(found["covariance"]) == pytest.approx(spread, abs=1e-8)
    draws = np.random.default_rng(1).multivariate_normal(mean, spread, size=40000)
    chances = np.bincount(draws.argmax(1), minlength=7) / 40000
    assert found["chances"] == pytest.approx(chances, abs=0.07)
    assert sum(found["chances"]) == pytest.approx(1)


def test_families_have_curves_of_their_own():
    scores = nested_scores(np.random.default_rng(11), COUNTS, MEANS)
    alphas, families = [0, 1, 2, 0, 1], [0, 0, 0, 1, 1]
    found = one(op="belief", alphas=alphas, families=families, scores=scores)
    prompt, rest = variances(scores, COUNTS)
    means, covariance = generalised_least_squares(scores, prompt, rest)
    mean, _ = gaussian_process(alphas, 5, means - means.mean(), covariance, math.sqrt(prompt + rest), families)
    assert found["mean"] == pytest.approx(mean + means.mean(), abs=1e-8)


def test_a_collapse_is_left_out_of_the_belief():
    scores = nested_scores(np.random.default_rng(10), [20] * 4, [0.1, 0.3, 0.2, -9])
    assert one(op="belief", alphas=[0, 1, 2, 4], scores=scores)["candidates"] == [0, 1, 2]
