"""What the reports, cards and records say is what was done."""

import json
import re

import ml_dtypes
import numpy as np
import pytest

from checkpoints import CONFIG, checkpoint, expo, load, pair

BF16 = ml_dtypes.bfloat16


@pytest.fixture
def rng():
    return np.random.default_rng(20261124)


def run(*arguments):
    return json.loads(expo("extrapolate", *arguments, "--json").stdout)


def same(a, b):
    return set(a) == set(b) and all(a[n].dtype == b[n].dtype and a[n].tobytes() == b[n].tobytes() for n in a)


def test_weights_that_are_not_finite_in_sft_leave_aligneds(tmp_path):
    sft = checkpoint(tmp_path / "sft", {"w": np.array([np.nan, np.inf, -np.inf, 1, 2] * 7, np.float32)})
    theta = np.array([1.5, 2.5, 3.5, 1.5, 2] * 7, np.float32)
    aligned = checkpoint(tmp_path / "aligned", {"w": theta})
    done = expo("extrapolate", sft, aligned, "-o", tmp_path / "out", "--alpha", 0.5)
    assert "21 weights of the inputs are NaN or infinite; ALIGNED's values were kept in their places" in done.stderr
    assert load(tmp_path / "out")["w"].tolist() == [1.5, 2.5, 3.5, 1.75, 2] * 7


def test_dry_run_names_alpha(tmp_path, rng):
    sft, aligned, _, _ = pair(tmp_path, rng)
    assert run(sft, aligned, "-o", tmp_path / "out", "--alpha", 0.5, "--dry-run")["alpha"] == 0.5
    rules = run(sft, aligned, "-o", tmp_path / "out", "--alpha", 0.5, "--alpha-for", "mlp=1", "--dry-run")
    assert (rules["alpha"], rules["delta"]) == (None, None)


@pytest.mark.parametrize("options", [
    ("--alpha", 0.3), ("--alpha", 0.3, "--out-dtype", "f32"), ("--alpha", -2, "--rounding", "stochastic", "--seed", 7),
    ("--gamma", 0.4, "--max-shard-size", "5kB"), ("--alpha", 1, "--on-mismatch", "common-rows")])
def test_the_cards_recipe_gives_the_same_weights(tmp_path, rng, options):
    """Also where types are mixed and a name needs quotes."""
    sft, aligned, _, tensors = pair(tmp_path, rng)
    tensors = {name: values.astype(np.float32) if "norm" in name else values for name, values in tensors.items()}
    if "common-rows" in options:
        tensors["lm_head.weight"] = tensors["lm_head.weight"][:50]
    odd = checkpoint(tmp_path / "al #1: x", tensors)
    expo("extrapolate", sft, odd, "-o", tmp_path / "out", *options)
    recipe = re.search(r"```yaml\n(.*?)```", (tmp_path / "out/README.md").read_text(), re.DOTALL).group(1)
    (tmp_path / "recipe.yaml").write_text(recipe)
    expo("extrapolate", "--recipe", "recipe.yaml", "-o", "again", cwd=tmp_path)
    assert same(load(tmp_path / "out"), load(tmp_path / "again"))
    assert sorted(p.name for p in (tmp_path / "out").glob("*.safetensors")) == \
        sorted(p.name for p in (tmp_path / "again").glob("*.safetensors"))


def test_the_card_has_no_recipe_for_what_recipes_cannot_say(tmp_path, rng):
    sft, aligned, _, _ = pair(tmp_path, rng)
    expo("extrapolate", sft, aligned, "-o", tmp_path / "out", "--alpha", 0.3, "--like-original")
    assert "```yaml" not in (tmp_path / "out/README.md").read_text()


def test_the_record_holds_the_mismatch_policy(tmp_path, rng):
    sft, aligned, _, _ = pair(tmp_path, rng)
    expo("extrapolate", sft, aligned, "-o", tmp_path / "out", "--alpha", 0.3, "--on-mismatch", "aligned")
    assert json.loads((tmp_path / "out/run.json").read_text())["settings"]["on_mismatch"] == "aligned"


def test_derived_buffers_keep_their_type(tmp_path, rng):
    sft, _, _, tensors = pair(tmp_path, rng)
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = np.array([0.1234567, 1e-6], np.float32)
    aligned = checkpoint(tmp_path / "buffers", tensors)
    for option in (("--out-dtype", "bf16"), ("--like-original",)):
        expo("extrapolate", sft, aligned, "-o", tmp_path / option[0][2:], "--alpha", 0.3, *option)
        found = load(tmp_path / option[0][2:])["model.layers.0.self_attn.rotary_emb.inv_freq"]
        assert found.dtype == np.float32 and found.tolist() == [np.float32(0.1234567), np.float32(1e-6)]


def test_a_float_tensor_against_an_integer_one_is_a_mismatch(tmp_path, rng):
    _, _, before, after = pair(tmp_path, rng)
    sft = checkpoint(tmp_path / "a", before | {"w": np.ones(4, np.float32)})
    aligned = checkpoint(tmp_path / "b", after | {"w": np.ones(4, np.int32)})
    for one, other in ((sft, aligned), (aligned, sft)):
        done = expo("extrapolate", one, other, "-o", tmp_path / "out", "--alpha", 0.3, check=False)
        assert done.returncode == 3 and '"w": it is' in done.stderr, done.stderr


@pytest.mark.parametrize(("embedding", "head"), [
    ("model.decoder.embed_tokens.weight", "lm_head.weight"), ("gpt_neox.embed_in.weight", "embed_out.weight")])
def test_heads_that_one_side_ties_meet_the_embedding(tmp_path, rng, embedding, head):
    def values():
        return rng.standard_normal((12, 8)).astype(np.float32)
    before, after, own = values(), values(), values()
    sft = checkpoint(tmp_path / "sft", {embedding: before}, {"architectures": ["XForCausalLM"]})
    aligned = checkpoint(tmp_path / "aligned", {embedding: after, head: own},
                         {"architectures": ["XForCausalLM"], "tie_word_embeddings": False})
    expo("extrapolate", sft, aligned, "-o", tmp_path / "out", "--alpha", 0.5, "--on-mismatch", "common-rows")
    exact = own.astype(np.float64) + 0.5 * (own.astype(np.float64) - before)
    assert np.array_equal(load(tmp_path / "out")[head], exact.astype(np.float32))
    (tmp_path / "sft/config.json").write_text(json.dumps({"tie_word_embeddings": False}))
    expo("extrapolate", sft, aligned, "-o", tmp_path / "untied", "--alpha", 0.5, "--on-mismatch", "common-rows")
    assert np.array_equal(load(tmp_path / "untied")[head], own)


def test_alpha_replaces_a_mergekit_gradient_everywhere(tmp_path, rng):
    sft, aligned, _, _ = pair(tmp_path, rng, dtype=np.float32, layers=3)
    (tmp_path / "recipe.yaml").write_text(
        f"merge_method: task_arithmetic\nbase_model: {sft}\nmodels:\n- model: {aligned}\n"
        "  parameters:\n    weight: [1.1, 1.5]\nparameters:\n  normalize: false\ndtype: float32\n")
    expo("extrapolate", "--recipe", tmp_path / "recipe.yaml", "-o", tmp_path / "out", "--alpha", 0.7)
    expo("extrapolate", sft, aligned, "-o", tmp_path / "plain", "--alpha", 0.7, "--rounding", "nearest")
    assert same(load(tmp_path / "out"), load(tmp_path / "plain"))


def test_a_recipe_may_leave_alpha_to_the_command_line(tmp_path, rng):
    sft, aligned, _, _ = pair(tmp_path, rng)
    (tmp_path / "recipe.yaml").write_text(f"sft: {sft}\naligned: {aligned}\n")
    expo("extrapolate", "--recipe", tmp_path / "recipe.yaml", "-o", tmp_path / "out", "--alpha", 0.7)
    expo("extrapolate", sft, aligned, "-o", tmp_path / "plain", "--alpha", 0.7)
    assert same(load(tmp_path / "out"), load(tmp_path / "plain"))
    done = expo("extrapolate", "--recipe", tmp_path / "recipe.yaml", "-o", tmp_path / "no", check=False)
    assert done.returncode == 2 and "give --alpha A" in done.stderr


def tokenizer(words, added=()):
    return json.dumps({"model": {"type": "BPE", "vocab": {word: i for i, word in enumerate(words)}, "merges": []},
                       "added_tokens": [{"id": i, "content": text} for i, text in added]})


@pytest.mark.parametrize(("after", "words"), [
    (tokenizer("abdc", [(4, "<s>")]), "2 of 5 token ids stand for different tokens"),
    (tokenizer("abcd", [(4, "<pad>")]), "1 of 5 token ids stand for different tokens"),
    (tokenizer("abcd", [(4, "<s>"), (5, "<|im_start|>")]), None),
    (json.dumps({"model": {"type": "Unigram", "vocab": [["b", -1.5], ["a", -2], ["c", -3]]}}), "2 of 3 token ids"),
    ("{", "tokenizer.json is not valid JSON"), (None, "ALIGNED has no tokenizer")])
def test_token_ids_that_mean_something_else_are_warned_of(tmp_path, rng, after, words):
    sft, aligned, _, _ = pair(tmp_path, rng)
    (sft / "tokenizer.json").write_text(tokenizer("abcd", [(4, "<s>")]))
    if after is not None:
        (aligned / "tokenizer.json").write_text(after)
    for command in (("extrapolate", sft, aligned, "-o", tmp_path / "out", "--alpha", 0.3), ("inspect", sft, aligned)):
        done = expo(*command)
        assert "token" not in done.stderr if words is None else words in done.stderr, done.stderr


def test_an_aligned_without_a_configuration_is_warned_of(tmp_path, rng):
    sft, aligned, _, _ = pair(tmp_path, rng)
    (aligned / "config.json").unlink()
    assert "ALIGNED has no config.json" in expo("extrapolate", sft, aligned, "-o", tmp_path / "out", "--alpha", 1).stderr


@pytest.mark.parametrize("policy", ["refuse", "aligned", "common-rows"])
def test_models_with_nothing_in_common_are_refused(tmp_path, rng, policy):
    sft, _, _, after = pair(tmp_path, rng)
    aligned = checkpoint(tmp_path / "wrapped", {"module." + name: values for name, values in after.items()}, CONFIG)
    done = expo("extrapolate", sft, aligned, "-o", tmp_path / "out", "--alpha", 1, "--on-mismatch", policy, check=False)
    assert done.returncode == 3 and not (tmp_path / "out").exists()
    assert "no tensor in common" in done.stderr and '"module."' in done.stderr, done.stderr


def test_of_a_single_file_and_an_index_the_file_is_taken_as_transformers_does(tmp_path, rng):
    sft, aligned, _, tensors = pair(tmp_path, rng, shards=2)
    whole = {name: (values.astype(np.float32) * 2).astype(BF16) for name, values in tensors.items()}
    checkpoint(aligned, whole)
    done = expo("convert", aligned, tmp_path / "out")
    assert "the single file was taken" in done.stderr
    assert same(load(tmp_path / "out"), whole)


def test_conversion_counts_what_became_infinite(tmp_path):
    model = checkpoint(tmp_path / "model", {"w": np.array([1, 1e6, -1e6, 3], np.float32)})
    done = expo("convert", model, tmp_path / "out", "--out-dtype", "f16", "--allow-overflow")
    assert "2 finite weights became infinite" in done.stderr
