"""What is asked of α is what people get: the effective α of every way of rounding against numpy in float64, and the
choice that `--rounding auto` makes between them."""

import json
import os

import ml_dtypes
import numpy as np
import pytest

from checkpoints import CONFIG, assert_same_bits, checkpoint, expo, load, pair, reference, save
from small_models import model, needs_engine, prompts, read_rows, write_rows

SEED = int(os.environ.get("EXPO_TEST_SEED", "20250211"))
BF16 = ml_dtypes.bfloat16
SHAPE = (512, 640)
ALPHAS = [0.0, 0.5, 1.0, 2.0]


@pytest.fixture
def rng():
    print("seed", SEED)
    return np.random.default_rng(SEED)


def keeps(asked, effective):
    return abs(effective - asked) <= max(0.05 * abs(asked), 0.02)


def step(values, rng, size):
    return (values.astype(np.float64) + rng.standard_normal(values.shape) * size * 0.02).astype(np.float32)


def on_ties(rng, share=0.4):
    """Float32 weights of which a share lies halfway between two bfloat16 numbers, as dequantised blocks have them."""
    values = (rng.standard_normal(SHAPE) * 0.02).astype(BF16).astype(np.float32)
    bits = values.view(np.uint32)
    bits[rng.random(SHAPE) < share] |= 0x8000
    return values


def ties(rng):
    sft = on_ties(rng)
    return sft, step(sft, rng, 3e-4)


def undone(rng):
    sft = (rng.standard_normal(SHAPE) * 0.02).astype(BF16)
    return sft, step(sft, rng, 3e-4)


def effective(sft, aligned, out):
    x, y, z = (np.asarray(values).astype(np.float64).ravel() for values in (sft, aligned, out))
    return (z - y) @ (y - x) / ((y - x) @ (y - x))


def write(tmp_path, sft, aligned):
    return (checkpoint(tmp_path / "sft", {"model.layers.0.mlp.up_proj.weight": sft}),
            checkpoint(tmp_path / "aligned", {"model.layers.0.mlp.up_proj.weight": aligned}))


def extrapolate(sft, aligned, out, alpha, *options):
    done = expo("extrapolate", sft, aligned, "-o", out, f"--alpha={alpha}", "--overwrite", "--json", *options)
    return json.loads(done.stdout), done.stderr, load(out)


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("case", [ties, undone])
def test_nearest_bends_alpha_and_auto_gives_what_is_asked(tmp_path, rng, case, alpha):
    sft, aligned = case(rng)
    paths = write(tmp_path, sft, aligned)
    found = {}
    for rounding in ("nearest", "stochastic", "auto"):
        report, messages, out = extrapolate(*paths, tmp_path / rounding, alpha, "--out-dtype", "bf16", "--rounding", rounding)
        (values,) = out.values()
        found[rounding] = effective(sft, aligned, values)
        assert report["delta"]["effective_alpha"] == pytest.approx(found[rounding], abs=1e-9)
        assert ("rounding changes the result" in messages) == (not keeps(alpha, found[rounding])), messages
        if rounding == "nearest":
            assert_same_bits(values, reference(sft, aligned, alpha, BF16))
    assert not keeps(alpha, found["nearest"]), found
    assert keeps(alpha, found["auto"]), found
    assert found["auto"] == found["stochastic"]
    assert abs(found["nearest"] - alpha) > (0.15 if case is ties else 0.04)
    report, messages, _ = extrapolate(*paths, tmp_path / "auto", alpha, "--out-dtype", "bf16")
    assert report["rounding"]["choice"] == "auto" and report["rounding"]["used"] == "stochastic"
    assert report["rounding"]["seed"] == 0
    assert report["rounding"]["nearest_effective_alpha"] == pytest.approx(found["nearest"], abs=0.3 * abs(found["nearest"] - alpha))
    assert "note: rounding is stochastic, with seed 0" in messages and f"α of {alpha:.4g}" in messages


def test_alpha_zero_takes_back_what_training_did(tmp_path, rng):
    """A step that is far smaller than the spacing of bfloat16 around a bfloat16 θ_sft."""
    sft = (rng.standard_normal(SHAPE) * 0.02).astype(BF16)
    aligned = step(sft, rng, 3e-5)
    paths = write(tmp_path, sft, aligned)
    report, messages, out = extrapolate(*paths, tmp_path / "out", 0, "--out-dtype", "bf16", "--rounding", "nearest")
    (values,) = out.values()
    assert effective(sft, aligned, values) == pytest.approx(report["delta"]["effective_alpha"], abs=1e-9)
    assert -1.05 < report["delta"]["effective_alpha"] < -0.9
    assert "α is 0, but its effect is that of -" in messages and "updates are lost" not in messages


@pytest.mark.parametrize("alpha", [0.0, 0.3, 8.0])
def test_auto_rounds_to_nearest_where_that_keeps_alpha(tmp_path, rng, alpha):
    sft_path, aligned_path, sft, aligned = pair(tmp_path, rng, delta=0.5, width=128)
    report, messages, out = extrapolate(sft_path, aligned_path, tmp_path / "out", alpha)
    assert report["rounding"] | {"nearest_effective_alpha": None} == {
        "choice": "auto", "used": "nearest", "seed": 0, "nearest_effective_alpha": None}
    assert keeps(alpha, report["rounding"]["nearest_effective_alpha"]) and "note:" not in messages
    for name, values in out.items():
        assert_same_bits(values, reference(sft[name], aligned[name], alpha), name)


def test_a_float32_output_is_rounded_to_nearest(tmp_path, rng):
    sft, aligned = ties(rng)
    report, _, out = extrapolate(*write(tmp_path, sft, aligned), tmp_path / "out", 0.3)
    assert report["rounding"]["used"] == "nearest"
    assert_same_bits(next(iter(out.values())), reference(sft, aligned, 0.3))


def test_rules_are_judged_by_the_mean_of_their_alphas(tmp_path, rng):
    """Half of Δ² is asked to go to 0 and half to 8: nearest keeps neither 0 nor 8 of so small a change."""
    names = [f"model.layers.{layer}.mlp.up_proj.weight" for layer in range(2)]
    sft = {name: (rng.standard_normal(SHAPE) * 0.02).astype(BF16) for name in names}
    aligned = {name: step(values, rng, 3e-4) for name, values in sft.items()}
    paths = checkpoint(tmp_path / "sft", sft), checkpoint(tmp_path / "aligned", aligned)
    report, _, out = extrapolate(*paths, tmp_path / "out", 0, "--alpha-for", r"layers\.1=1", "--out-dtype", "bf16")
    assert report["rounding"]["used"] == "stochastic"
    assert report["alpha"] == pytest.approx(0.5, abs=0.01)
    for name, alpha in zip(names, (0, 1), strict=True):
        assert keeps(alpha, effective(sft[name], aligned[name], out[name]))


def test_a_change_that_the_sample_misses_is_found_in_the_end(tmp_path, rng):
    """In one of the two halves the sample sees no change at all; the result is the same for both."""
    by_sample = 0
    for half in (0, 1):
        sft = (rng.standard_normal(1 << 15) * 0.02).astype(BF16)
        aligned = sft.astype(np.float32)
        part = slice(half << 14, (half + 1) << 14)
        aligned[part] = step(sft[part], rng, 3e-4)
        folder = tmp_path / str(half)
        paths = checkpoint(folder / "sft", {"w": sft}), checkpoint(folder / "aligned", {"w": aligned})
        options = ("--out-dtype", "bf16")
        report, messages, out = extrapolate(*paths, folder / "auto", 1, "--seed", "3", *options)
        _, _, expected = extrapolate(*paths, folder / "stochastic", 1, "--rounding", "stochastic", "--seed", "3", *options)
        assert_same_bits(out["w"], expected["w"])
        assert report["rounding"]["used"] == "stochastic" and report["rounding"]["seed"] == 3
        _, _, nearest = extrapolate(*paths, folder / "nearest", 1, "--rounding", "nearest", *options)
        by_sample += "by a sample" in messages
        if "by a sample" not in messages:
            assert report["rounding"]["nearest_effective_alpha"] == pytest.approx(effective(sft, aligned, nearest["w"]), abs=1e-9)
        assert json.loads((folder / "auto/run.json").read_text())["rounding"] == report["rounding"]
    assert by_sample == 1


def test_what_is_used_stands_in_card_and_record_and_does_not_depend_on_threads(tmp_path, rng):
    paths = write(tmp_path, *undone(rng))
    results = []
    for threads in (1, 2, 5):
        _, _, _ = extrapolate(*paths, tmp_path / "out", 1, "--out-dtype", "bf16", "--seed", "9", "--threads", threads)
        record = json.loads((tmp_path / "out/run.json").read_text())
        record.pop("command")
        results.append(((tmp_path / "out/model.safetensors").read_bytes(), record, (tmp_path / "out/README.md").read_text()))
    assert all(result == results[0] for result in results)
    weights, record, card = results[0]
    assert record["settings"]["rounding"] == "auto" and record["settings"]["seed"] == 9
    assert record["rounding"]["used"] == "stochastic" and record["rounding"]["seed"] == 9
    assert "rounding: stochastic, seed 9 (to nearest, the effective α would be " in card
    recipe = card.split("```yaml\n")[1].split("```")[0].replace('"sft"', str(paths[0])).replace('"aligned"', str(paths[1]))
    (tmp_path / "recipe.yaml").write_text(recipe)
    expo("extrapolate", "--recipe", tmp_path / "recipe.yaml", "-o", tmp_path / "again")
    assert (tmp_path / "again/model.safetensors").read_bytes() == weights


def test_a_dry_run_tells_what_would_be_done(tmp_path, rng):
    report = json.loads(expo("extrapolate", *write(tmp_path, *undone(rng)), "-o", tmp_path / "out", "--alpha", 1, "--out-dtype",
                             "bf16", "--dry-run", "--json").stdout)
    assert report["rounding"]["used"] == "stochastic" and not (tmp_path / "out").exists()


def test_recipes_choose_too_and_mergekits_round_as_mergekit_does(tmp_path, rng):
    sft, aligned = undone(rng)
    paths = write(tmp_path, sft, aligned)
    exact = reference(sft, aligned, 0.5, BF16)
    mergekit = (f"merge_method: task_arithmetic\nbase_model: {paths[0]}\nmodels:\n  - model: {paths[1]}\n"
                "    parameters: {weight: 1.5}\ndtype: bfloat16\n")
    own = f"sft: {paths[0]}\naligned: {paths[1]}\nalpha: 0.5\nout_dtype: bf16\nrounding: "
    for text, used in ((mergekit, "nearest"), (own + "nearest", "nearest"), (own + "auto", "stochastic"),
                       (own + "stochastic", "stochastic")):
        (tmp_path / "recipe.yaml").write_text(text)
        done = expo("extrapolate", "--recipe", tmp_path / "recipe.yaml", "-o", tmp_path / "out", "--overwrite", "--json")
        assert json.loads(done.stdout)["rounding"]["used"] == used, text
        (values,) = load(tmp_path / "out").values()
        assert np.array_equal(values.view(np.uint16), exact.view(np.uint16)) == (used == "nearest"), text


def test_a_lora_step_keeps_its_alpha_by_default(tmp_path, rng):
    """Over bfloat16 weights, to which the merged ones are rounded again: to nearest the step would be undone."""
    names = [f"model.layers.{layer}.self_attn.q_proj" for layer in range(2)]
    sft = {f"{name}.weight": (rng.standard_normal((256, 256)) * 0.02).astype(BF16) for name in names}
    base, adapter = checkpoint(tmp_path / "sft", sft), tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(json.dumps(
        {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"], "base_model_name_or_path": str(base)}))
    factors, deltas = {}, {}
    for name in names:
        a, b = (rng.standard_normal(shape).astype(np.float32) * 1e-3 for shape in ((4, 256), (256, 4)))
        factors |= {f"base_model.model.{name}.lora_A.weight": a, f"base_model.model.{name}.lora_B.weight": b}
        deltas[f"{name}.weight"] = 2 * b.astype(np.float64) @ a.astype(np.float64)
    save(adapter / "adapter_model.safetensors", factors)

    def slope(out):
        delta = np.concatenate([values.ravel() for values in deltas.values()])
        moved = np.concatenate([(out[name].astype(np.float64) - sft[name].astype(np.float64)).ravel() for name in deltas])
        return moved @ delta / (delta @ delta) - 1

    report, messages, out = extrapolate(base, adapter, tmp_path / "out", 2)
    assert next(iter(out.values())).dtype == BF16 and report["rounding"]["used"] == "stochastic"
    assert keeps(2, slope(out)) and "warning: rounding" not in messages
    _, messages, nearest = extrapolate(base, adapter, tmp_path / "out", 2, "--rounding", "nearest")
    assert slope(nearest) < 0.5 and "warning: rounding changes the result: α is 2, but its effect is that of " in messages


@pytest.mark.parametrize("values, to, word", [
    ("ties", BF16, "bf16"), ("even", BF16, "bf16"), ("half", BF16, "bf16"), ("ties", np.float16, "f16")])
def test_ties_are_counted(tmp_path, rng, values, to, word):
    weights = {"ties": on_ties(rng, 0.08), "even": (rng.standard_normal(SHAPE) * 0.02).astype(np.float32),
               "half": (rng.standard_normal(SHAPE) * 0.02).astype(np.float16)}[values]
    exact = weights.astype(np.float64)
    near = exact.astype(np.float32).astype(to)
    found = 0
    for code in (-1, 1):
        other = (near.view(np.uint16).astype(np.int64) + code).astype(np.uint16).view(to).astype(np.float64)
        found = found + ((near.astype(np.float64) + other) / 2 == exact)
    share = np.count_nonzero(found) / exact.size
    model_path = checkpoint(tmp_path / "model", {"w": weights})
    other_path = checkpoint(tmp_path / "other", {"w": weights + weights.dtype.type(0.01)})
    report = json.loads(expo("inspect", model_path, other_path, "--out-dtype", word, "--json").stdout)
    assert report["ties"]["sft"] == pytest.approx(share, abs=1e-12)
    done = expo("convert", model_path, tmp_path / "out", "--out-dtype", word, "--json")
    report = json.loads(done.stdout)
    assert report["ties"] == pytest.approx(share, abs=0.02)
    # Every float16 model has ties in bfloat16, which says nothing about this one.
    warns = share >= 0.001 and values != "half"
    assert ("halfway between two numbers of" in done.stderr) == warns
    assert ("train from this output" in done.stderr) == warns
    if to is BF16 and values != "half":
        done = expo("inspect", model_path, "--check", "--json")
        assert json.loads(done.stdout)["ties"] == pytest.approx(share, abs=1e-12)
        assert ("convert it first" in done.stderr) == (share >= 0.001)


def test_inspect_tells_what_serving_in_bfloat16_makes_of_alpha_zero(tmp_path, rng):
    sft, aligned = ties(rng)
    done = expo("inspect", *write(tmp_path, sft, aligned), "--out-dtype", "bf16")
    line = next(line for line in done.stdout.splitlines() if line.split()[:1] == ["0"])
    assert float(line.split()[1]) == pytest.approx(effective(sft, aligned, reference(sft, aligned, 0, BF16)), abs=1e-4)
    assert "Values exactly halfway between two numbers of bfloat16" in done.stdout
    plain = expo("inspect", tmp_path / "sft", tmp_path / "aligned").stdout
    assert "see --out-dtype bfloat16" in plain


# Live weights


def live_pair(folder, seed):
    """θ_sft in bfloat16 and θ a little further on, in float32."""
    def narrow(tensors):
        return {key: value.astype(BF16).astype(np.float32) for key, value in tensors.items()}

    def moved(tensors):
        draw = np.random.default_rng(seed)
        return {key: (value + 1e-5 * draw.standard_normal(value.shape)).astype(np.float32) for key, value in narrow(tensors).items()}
    return model(folder / "sft", change=narrow), model(folder / "aligned", change=moved)


@needs_engine
@pytest.mark.parametrize("alpha", ["0", "3"])
def test_live_weights_are_rounded_as_written_ones(tmp_path, rng, alpha):
    sft, aligned = live_pair(tmp_path, SEED)
    data = write_rows(tmp_path / "prompts.jsonl", [{"prompt": text} for text in prompts(rng, 3)])
    common = ["--max-new-tokens", "8", "--deterministic", "--json"]
    found = {}
    for rounding in ("auto", "nearest", "stochastic"):
        done = expo("generate", aligned, data, "-o", tmp_path / f"{rounding}.jsonl", "--sft", sft, "--alpha", alpha, "--dtype",
                    "bf16", *([] if rounding == "auto" else ["--rounding", rounding]), *common)
        report = json.loads(done.stdout)
        found[rounding] = report["effective_alpha"]
        used = "nearest" if rounding == "nearest" else "stochastic"
        assert report["engine"]["rounding"]["choice"] == rounding and report["engine"]["rounding"]["used"] == used
        record = json.loads((tmp_path / f"{rounding}.jsonl.run.json").read_text())
        assert record["engine"]["rounding"] == report["engine"]["rounding"]
        assert ("note: rounding is stochastic" in done.stderr) == (rounding == "auto")
        if rounding == "nearest":
            assert f"warning: rounding changes the result: α is {alpha}, but" in done.stderr
        written, _, _ = extrapolate(sft, aligned, tmp_path / "out", alpha, "--out-dtype", "bf16", "--rounding", rounding)
        assert written["delta"]["effective_alpha"] == pytest.approx(found[rounding], abs=1e-9)
    assert found["auto"] == found["stochastic"]
    assert abs(found["nearest"] - float(alpha)) > 0.5
    assert read_rows(tmp_path / "auto.jsonl") == read_rows(tmp_path / "stochastic.jsonl")


@needs_engine
def test_a_seed_may_be_given_with_auto(tmp_path):
    sft, aligned = live_pair(tmp_path, SEED)
    common = ["generate", aligned, "--prompt", "w8 w9", "--sft", sft, "--alpha", "3", "--dtype", "bf16", "--max-new-tokens", "4"]
    assert "with seed 5" in expo(*common, "--rounding-seed", "5").stderr
    assert expo(*common, "--rounding", "auto", "--rounding-seed", "5").stdout == expo(
        *common, "--rounding", "stochastic", "--rounding-seed", "5").stdout
