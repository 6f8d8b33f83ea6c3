"""The kernel against computations that share nothing with it: float64 in numpy, rounded once by a search in
the table of all values of a 16-bit format; fractions and a Philox of integers for stochastic rounding; torch
for the original script's arithmetic. Bit for bit, on every instruction set of this machine."""
import bisect
import json
import os
import subprocess
from fractions import Fraction
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import torch

RUNNER = Path(os.environ.get("EXPO_BUILD_DIR", "build/release")) / "tests" / "kernel_runner"
SEED = 20240411
PATHS = ["scalar", "avx2", "avx512"]
ALPHAS = [0.0, 0.1, 0.3, 2.5, 8.0, 25.0, -0.5, 1e-300, 1e300]
COUNT = 4001
NUMPY = {"BF16": ml_dtypes.bfloat16, "F16": np.float16, "F32": np.float32, "F64": np.float64}
BITS = {"BF16": np.uint16, "F16": np.uint16, "F32": np.uint32, "F64": np.uint64}
TORCH = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32, "F64": torch.float64}
FRACTION = {"BF16": 7, "F16": 10, "F32": 23, "F64": 52}
TYPES = list(NUMPY)

np.seterr(all="ignore")


def bits(array, dtype):
    return np.ascontiguousarray(array).view(BITS[dtype])


def widen(array, dtype):
    """float64 of every value, by shifting bf16 into float32 and by numpy's casts otherwise."""
    if dtype == "BF16":
        return (bits(array, dtype).astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    return array.astype(np.float64)


def infinity_code(dtype):
    width = 8 * np.dtype(BITS[dtype]).itemsize
    return ((1 << (width - 1 - FRACTION[dtype])) - 1) << FRACTION[dtype]


def value_table(dtype):
    """Finite non-negative values of a 16-bit format by code, and what would come next in place of infinity."""
    codes = np.arange(infinity_code(dtype), dtype=np.uint16)
    values = widen(codes.view(NUMPY[dtype]), dtype)
    return np.append(values, 2 * values[-1] - values[-2])


def round_to_nearest(x, dtype):
    """Codes of float64 values rounded once."""
    if dtype == "F64":
        return bits(x, "F64")
    if dtype == "F32":
        return bits(x.astype(np.float32), "F32")
    table = value_table(dtype)
    magnitude = np.minimum(np.abs(x), table[-1])
    lower = np.clip(np.searchsorted(table, magnitude, side="right") - 1, 0, len(table) - 2)
    middle = (table[lower] + table[lower + 1]) / 2  # exact
    up = (magnitude > middle) | ((magnitude == middle) & (lower % 2 == 1))
    codes = (lower + up).astype(np.uint16) | (np.signbit(x).astype(np.uint16) << 15)
    return np.where(np.isnan(x), np.uint16(infinity_code(dtype) + 1), codes).astype(np.uint16)


def is_nan(codes, dtype):
    width = 8 * np.dtype(BITS[dtype]).itemsize
    return (codes & BITS[dtype]((1 << (width - 1)) - 1)) > BITS[dtype](infinity_code(dtype))


def assert_same(found, expected, dtype, what):
    differs = (found != expected) & ~(is_nan(found, dtype) & is_nan(expected, dtype))
    where = np.flatnonzero(differs)
    assert where.size == 0, (f"{what}: {where.size} of {found.size} differ, first at {where[0]}: "
                             f"{found[where[0]]:#x} for {expected[where[0]]:#x} (seed {SEED})")


def make(dtype, kind, rng, base=None):
    if kind == "bits":
        codes = rng.integers(0, np.iinfo(BITS[dtype]).max, COUNT, dtype=BITS[dtype], endpoint=True)
        return codes.view(NUMPY[dtype])
    scale = {"weights": 0.02, "subnormal": 2.0 ** (-17 if dtype == "F16" else -130)}[kind]
    if base is None:
        return (scale * rng.standard_normal(COUNT)).astype(NUMPY[dtype])
    step = np.where(rng.random(COUNT) < 0.6, 10 ** rng.uniform(-6, 1, COUNT), 0) * scale
    moved = base + step * rng.standard_normal(COUNT)
    if kind == "weights":  # moves of a half or a quarter of the last place: ties
        moved[:500] = base[:500] + np.spacing(base[:500].astype(np.float16)).astype(np.float64) / 4
    return moved.astype(NUMPY[dtype])


def corpora(sft_dtype, aligned_dtype):
    rng = np.random.default_rng(SEED)
    for kind in ("weights", "subnormal", "bits"):
        sft = make(sft_dtype, kind, rng)
        aligned = make(aligned_dtype, kind, rng, None if kind == "bits" else widen(sft, sft_dtype))
        if kind == "bits":
            aligned[:200] = widen(sft, sft_dtype)[:200].astype(NUMPY[aligned_dtype])
        yield kind, sft, aligned


class Kernel:
    def __init__(self, folder, path):
        self.folder, self.path = folder, path
        self.runner = subprocess.Popen([str(RUNNER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, sft, aligned, dtypes, alpha, rounding, seed=0, stream=0, first=0):
        files = [self.folder / name for name in ("sft", "aligned", "out")]
        sft.tofile(files[0])
        aligned.tofile(files[1])
        job = [*files, *dtypes, repr(alpha), rounding, seed, stream, first, self.path]
        self.runner.stdin.write("\t".join(map(str, job)) + "\n")
        self.runner.stdin.flush()
        answer = self.runner.stdout.readline()
        assert answer, "kernel_runner died; its message is on stderr"
        answer = json.loads(answer)
        if answer is None:
            pytest.skip(f"this processor has no {self.path}")
        sums = {key: float.fromhex(value) if isinstance(value, str) else value for key, value in answer.items()}
        return np.fromfile(files[2], dtype=BITS[dtypes[2]]), sums

    def close(self):
        self.runner.stdin.close()
        self.runner.stdout.close()
        self.runner.wait()


@pytest.fixture(params=PATHS)
def kernel(request, tmp_path):
    kernel = Kernel(tmp_path, request.param)
    yield kernel
    kernel.close()


def extrapolated(theta, sft, alpha):
    delta = theta - sft
    keep = (theta == sft) | (alpha == 0) | ~np.isfinite(theta) | ~np.isfinite(sft)
    return np.where(keep, theta, theta + alpha * delta)


@pytest.mark.parametrize("aligned_dtype", TYPES)
@pytest.mark.parametrize("sft_dtype", TYPES)
def test_nearest(kernel, sft_dtype, aligned_dtype):
    for out_dtype in TYPES:
        for kind, sft, aligned in corpora(sft_dtype, aligned_dtype):
            theta, base = widen(aligned, aligned_dtype), widen(sft, sft_dtype)
            for alpha in ALPHAS:
                found, sums = kernel(sft, aligned, (sft_dtype, aligned_dtype, out_dtype), alpha, "nearest")
                expected = round_to_nearest(extrapolated(theta, base, alpha), out_dtype)
                what = f"{sft_dtype}, {aligned_dtype} to {out_dtype}, {kind}, alpha {alpha}"
                assert_same(found, expected, out_dtype, what)
                if aligned_dtype == out_dtype:
                    unchanged = (theta == base) | (alpha == 0) | ~np.isfinite(theta) | ~np.isfinite(base)
                    assert np.array_equal(found[unchanged], bits(aligned, aligned_dtype)[unchanged]), what
                check_sums(sums, theta, base, widen(found.view(NUMPY[out_dtype]), out_dtype),
                           widen(round_to_nearest(theta, out_dtype).view(NUMPY[out_dtype]), out_dtype), alpha, what)


def check_sums(sums, theta, base, result, rounded, alpha, what):
    finite = np.isfinite(theta) & np.isfinite(base)
    whole = finite & np.isfinite(result)
    differs = (theta != base) & ~(np.isnan(theta) & np.isnan(base))
    assert sums["elements"] == COUNT, what
    assert sums["changed"] == differs.sum(), what
    assert sums["nonfinite_inputs"] == (~finite).sum(), what
    assert sums["nonfinite_created"] == (finite & ~whole).sum(), what
    lost = differs & finite & (result == rounded) if alpha != 0 else np.zeros(COUNT, bool)
    assert sums["lost"] == lost.sum(), what
    t, s, r = theta[whole], base[whole], result[whole]
    for key, a, b in (("theta_squared", t, t), ("sft_squared", s, s), ("theta_dot_sft", t, s),
                      ("delta_squared", t - s, t - s), ("applied_dot_delta", r - t, t - s)):
        products = a * b
        scale = np.abs(products).sum()
        if not np.isfinite(scale) or scale < 1e-290:
            continue
        assert abs(sums[key] - products.sum()) <= 1e-13 * scale, f"{what}: {key}"


@pytest.mark.parametrize("aligned_dtype", TYPES)
@pytest.mark.parametrize("sft_dtype", TYPES)
def test_like_original(kernel, sft_dtype, aligned_dtype):
    for kind, sft, aligned in corpora(sft_dtype, aligned_dtype):
        p, s = (torch.from_numpy(bits(array, dtype).view({2: np.int16, 4: np.int32, 8: np.int64}[array.itemsize]))
                .view(TORCH[dtype]).to(torch.bfloat16) for array, dtype in ((aligned, aligned_dtype), (sft, sft_dtype)))
        for alpha in ALPHAS:
            expected = (p + alpha * (p - s)).view(torch.int16).numpy().view(np.uint16)
            found, _ = kernel(sft, aligned, (sft_dtype, aligned_dtype, "BF16"), alpha, "like_original")
            assert_same(found, expected, "BF16", f"{sft_dtype}, {aligned_dtype}, {kind}, alpha {alpha}")


def philox(counter, key):
    """Philox4x32-10 in plain integers."""
    mask = 0xFFFFFFFF
    for _ in range(10):
        a, b = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [(b >> 32) ^ counter[1] ^ key[0], b & mask, (a >> 32) ^ counter[3] ^ key[1], a & mask]
        key = [(key[0] + 0x9E3779B9) & mask, (key[1] + 0xBB67AE85) & mask]
    return counter


def draw(element, seed, stream):
    block = element // 32 * 8 + element % 8
    mask = 0xFFFFFFFF
    return philox([block & mask, block >> 32, stream & mask, stream >> 32], [seed & mask, seed >> 32])[element // 8 % 4]


def stochastic_code(x, dtype, random, table):
    """By exact fractions between the two neighbours of a finite x."""
    sign = int(np.signbit(x)) << (8 * np.dtype(BITS[dtype]).itemsize - 1)
    magnitude = Fraction(float(abs(x)))
    if magnitude == 0:
        return sign
    if dtype == "F32":
        smallest = Fraction(2) ** -149
        exponent = max(int(np.frexp(float(abs(x)))[1]) - 1, -126)
        spacing = smallest * 2 ** (exponent + 126)
        steps = magnitude / spacing
        lower, share = int(steps), steps - int(steps)
        code = lower + (exponent + 126 << 23)
    else:
        code = min(bisect.bisect_right(table, float(abs(x))) - 1, len(table) - 2)
        share = (magnitude - Fraction(table[code])) / (Fraction(table[code + 1]) - Fraction(table[code]))
    up = int(share * 2 ** 32) + random >= 2 ** 32
    return sign | (code + up)


@pytest.mark.parametrize("out_dtype", ["BF16", "F16", "F32"])
@pytest.mark.parametrize("aligned_dtype", TYPES)
def test_stochastic(kernel, aligned_dtype, out_dtype):
    seed, stream, first = 0xFEDCBA9876543210, 0x0123456789ABCDEF, 2 ** 33 + 5
    table = value_table(out_dtype).tolist() if out_dtype != "F32" else None
    largest = table[-2] if table else float(np.finfo(np.float32).max)
    for kind, sft, aligned in corpora("BF16", aligned_dtype):
        theta, base = widen(aligned, aligned_dtype), widen(sft, "BF16")
        for alpha in (0.0, 0.3, 25.0):
            found, _ = kernel(sft, aligned, ("BF16", aligned_dtype, out_dtype), alpha, "stochastic", seed, stream, first)
            x = extrapolated(theta, base, alpha)
            plain = np.abs(x) <= largest
            beyond = round_to_nearest(x, out_dtype)
            assert_same(found[~plain], beyond[~plain], out_dtype, f"{kind} beyond the largest")
            sample = np.flatnonzero(plain)[::7]
            expected = np.array([stochastic_code(x[i], out_dtype, draw(first + int(i), seed, stream), table)
                                 for i in sample], dtype=BITS[out_dtype])
            assert_same(found[sample], expected, out_dtype,
                        f"BF16, {aligned_dtype} to {out_dtype}, {kind}, alpha {alpha}")


@pytest.mark.parametrize("word, allowed", [("scalar", {"scalar"}), ("avx2", {"scalar", "avx2"})])
def test_environment_lowers_the_instruction_set(tmp_path, monkeypatch, word, allowed):
    monkeypatch.setenv("EXPO_ISA", word)
    for path in PATHS:
        kernel = Kernel(tmp_path, path)
        ones = np.ones(20, np.float32)
        if path in allowed and path == "scalar":
            assert kernel(ones, ones, ("F32",) * 3, 0.3, "nearest")[1]["elements"] == 20
        elif path not in allowed:
            with pytest.raises(pytest.skip.Exception):  # the runner answers that there is none
                kernel(ones, ones, ("F32",) * 3, 0.3, "nearest")
        kernel.close()
