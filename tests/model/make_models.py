"""Makes small random models of every architecture that expo runs, and stores what transformers computes with them.

    make_models.py FOLDER            writes FOLDER/<name>/{config.json,model.safetensors,golden.safetensors}
    make_models.py FOLDER --check    fails where the installed transformers makes other files than those in FOLDER

golden.safetensors of a causal model:
    input_ids [40], logits [40, vocab], log_probs [39] (of input_ids[t + 1] after t),
    greedy [64] (the continuation of input_ids[:10], with no token that ends it)
golden.safetensors of a reward model:
    input_ids_0 [40], input_ids_1 [17], input_ids_2 [5], scores [3, labels] (each row computed alone)

All in float32 on the CPU with eager attention. Every weight is a multiple of a power of two with seven bits, so that
bfloat16 and float32 hold it exactly. For every model the script asserts that each of its features is seen in the logits
or scores, and that no greedy choice is a near tie.
"""

import argparse
import copy
import dataclasses
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Callable

import torch
import transformers
from safetensors.torch import load_file, save

PROMPT, CONTINUATION, LENGTH, ROW_LENGTHS = 10, 64, 40, (40, 17, 5)
SEEN, GAP, TOLERANCE, FEWEST_TOKENS = 1e-2, 1e-3, 1e-5, 12

FULL = ["full_attention"] * 2
SIZES = {"vocab_size": 96, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
         "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128,
         "rms_norm_eps": 0.0625, "bos_token_id": 1, "eos_token_id": 2}
# Heads wider than the hidden size divided by their number.
WIDE_HEADS = {"hidden_size": 16, "head_dim": 8}
SMALLER = {"hidden_size": 16, "intermediate_size": 32}


def rope(theta, kind="default", **more):
    return {"rope_parameters": {"rope_type": kind, "rope_theta": theta, **more}}


# Each of these functions returns a model with a feature switched off.

def configured(**changes):
    """The same weights under another configuration."""
    def change(model):
        config = type(model.config).from_dict({**model.config.to_dict(), **copy.deepcopy(changes)})
        changed = built(type(model), config)
        changed.load_state_dict(model.state_dict())
        return changed
    return change


def shifted(pattern, change):
    """Replaces the values of the parameters whose names match."""
    def apply(model):
        changed = copy.deepcopy(model)
        found = [value for name, value in changed.named_parameters() if re.search(pattern, name)]
        assert found, pattern
        for value in found:
            value.data = change(value.data)
        return changed
    return apply


def bypassed(pattern):
    """Removes the modules whose names match."""
    def apply(model):
        changed = copy.deepcopy(model)
        names = [name for name, _ in changed.named_modules() if re.search(pattern, name)]
        assert names, pattern
        for name in names:
            changed.set_submodule(name, torch.nn.Identity())
        return changed
    return apply


def unscaled_embeddings(model):
    changed = copy.deepcopy(model)
    changed.model.embed_tokens.embed_scale.fill_(1.0)
    return changed


BIAS = {"attention biases": shifted(r"self_attn\.\w+\.bias$", torch.zeros_like)}
QK_NORMS = {"norms of the queries": bypassed(r"q_norm$"), "norms of the keys": bypassed(r"k_norm$")}
WINDOW = {"sliding window": configured(sliding_window=None)}
EMBEDDING_SCALE = {"scale of the embeddings": unscaled_embeddings,
                   "norm weights counted from one": shifted(r"norm\.weight$", lambda weight: weight - 1)}
COMMON = {"rope theta": configured(**rope(97.0)), "epsilon of the norms": configured(rms_norm_eps=1e-6),
          "norm weights": shifted(r"norm\.weight$", lambda weight: weight.mean().expand_as(weight).clone())}
GEMMA2 = {"attn_logit_softcapping": 5.0, "sliding_window": 16, "query_pre_attn_scalar": 32, "head_dim": 8,
          "bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0}
GEMMA2_FEATURES = {
    **EMBEDDING_SCALE, "softcap of attention": configured(attn_logit_softcapping=None),
    "sliding window": configured(layer_types=FULL), "sliding layers": configured(layer_types=["sliding_attention"] * 2),
    "query_pre_attn_scalar": configured(query_pre_attn_scalar=8),
    "norms after attention": bypassed(r"post_attention_layernorm$"),
    "norms after the MLP": bypassed(r"post_feedforward_layernorm$"), "GELU": configured(hidden_activation="silu")}


@dataclasses.dataclass
class Recipe:
    kind: str  # the class, without its head
    seed: int
    config: dict
    features: dict[str, Callable] = dataclasses.field(default_factory=dict)
    head: str = "ForCausalLM"


RECIPES = {
    "llama": Recipe("Llama", 2, rope(10000.0)),
    "llama_bias": Recipe(
        "Llama", 6, {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True, **rope(10000.0)},
        {**BIAS, "MLP biases": shifted(r"mlp\.\w+\.bias$", torch.zeros_like)}),
    "llama3_rope": Recipe(
        "Llama", 3,
        {**WIDE_HEADS, **rope(100.0, "llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                              original_max_position_embeddings=32)},
        {"rope scaling": configured(**rope(100.0)), "only some frequencies": configured(**rope(100.0, "linear", factor=8.0)),
         "smoothed frequencies": configured(**rope(
             100.0, "llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=1.001,
             original_max_position_embeddings=32))}),
    "llama_linear_rope": Recipe("Llama", 5, {**WIDE_HEADS, **rope(10000.0, "linear", factor=4.0)},
                                {"rope scaling": configured(**rope(10000.0))}),
    "mistral": Recipe("Mistral", 5, {"sliding_window": 16, **rope(10000.0)},
                      {**WINDOW, "exact window": configured(sliding_window=17)}),
    "qwen2": Recipe("Qwen2", 16, {"use_sliding_window": False, "sliding_window": 16, "max_window_layers": 0, **rope(1e6)},
                    BIAS),
    "qwen3": Recipe("Qwen3", 1, {**WIDE_HEADS, **rope(1e6)}, QK_NORMS),
    "gemma": Recipe("Gemma", 1, {"head_dim": 16, "bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0, **rope(10000.0)},
                    {**EMBEDDING_SCALE, "GELU": configured(hidden_act="silu")}),
    "gemma2": Recipe("Gemma2", 31, {**GEMMA2, "final_logit_softcapping": 3.0, **rope(10000.0)},
                     {**GEMMA2_FEATURES, "softcap of the logits": configured(final_logit_softcapping=None)}),
    "olmo2": Recipe("Olmo2", 1, {"pad_token_id": 0, **rope(500000.0)},
                    {**QK_NORMS, "norms after attention": bypassed(r"post_attention_layernorm$"),
                     "norms after the MLP": bypassed(r"post_feedforward_layernorm$")}),
    "smollm3": Recipe("SmolLM3", 1, {"pad_token_id": 0, "no_rope_layers": [1, 0], **rope(2e6)},
                      {"layers without rope": configured(no_rope_layers=[1, 1])}),
    "llama_reward": Recipe("Llama", 1, {**SMALLER, **rope(10000.0)}, head="ForSequenceClassification"),
    "mistral_reward": Recipe("Mistral", 1, {**SMALLER, "sliding_window": 16, "pad_token_id": 2, **rope(10000.0)},
                             {**WINDOW, "token to pool at": configured(pad_token_id=None)}, "ForSequenceClassification"),
    "qwen2_reward": Recipe("Qwen2", 1, {**SMALLER, "pad_token_id": 0, **rope(1e6)}, BIAS, "ForSequenceClassification"),
    "gemma2_reward": Recipe("Gemma2", 1, {**SMALLER, **GEMMA2, **rope(10000.0)}, GEMMA2_FEATURES,
                            "ForSequenceClassification"),
}


def built(model_class, config):
    config._attn_implementation = "eager"
    model = model_class(config).to(torch.float32).eval()
    assert model.model.config._attn_implementation == "eager"
    return model


def drawn(shape, generator):
    """Numbers between -1 and 1 that bfloat16 represents exactly."""
    return torch.randint(-127, 128, shape, generator=generator) / 128


def weight(name, shape, one_centred, generator):
    values = drawn(shape, generator)
    if "norm" in name:  # (128 + 63) / 128 has eight bits, which fit in a bfloat16
        if one_centred:  # Gemma 2's layers must outweigh the token's embedding, which is the head too
            return values * 2 if "post_" in name else values / 2
        return 1 + torch.trunc(values * 64) / 128
    if "embed" in name:  # Gemma scales its embeddings up, so that they would drown the layers
        return values / 4 if one_centred else values
    return values / 2 if len(shape) == 2 else values


def model_of(recipe, seed):
    config = getattr(transformers, f"{recipe.kind}Config")(**{**SIZES, **({"num_labels": 1} if is_reward(recipe) else {}),
                                                              **copy.deepcopy(recipe.config)})
    model = built(getattr(transformers, recipe.kind + recipe.head), config)
    generator = torch.Generator().manual_seed(seed)
    for name, value in sorted(model.named_parameters()):
        value.data = weight(name, value.shape, recipe.kind.startswith("Gemma"), generator)
        assert torch.equal(value.data, value.data.bfloat16().float()), name
    return model


def is_reward(recipe):
    return recipe.head == "ForSequenceClassification"


def some_ids(length, seed):
    """Tokens without a special meaning."""
    return torch.randint(3, SIZES["vocab_size"], (length,), generator=torch.Generator().manual_seed(1000 + seed))


def logits_of(model, ids):
    return model(ids[None], use_cache=False).logits[0]


def greedy_of(model, prompt):
    ending = model.generation_config.eos_token_id
    model.generation_config.eos_token_id = None
    ids = model.generate(prompt[None], attention_mask=torch.ones_like(prompt[None]), do_sample=False,
                         max_new_tokens=CONTINUATION)[0, len(prompt):]
    model.generation_config.eos_token_id = ending
    return ids


def require_clear_choices(model, prompt, greedy):
    """Checks that the cache changes nothing, and that rounding would not change a token."""
    assert greedy.shape == (CONTINUATION,)
    logits = logits_of(model, torch.cat([prompt, greedy]))[len(prompt) - 1:-1]
    best = logits.topk(2)
    gap = ((best.values[:, 0] - best.values[:, 1]).min() / spread(logits)).item()
    assert torch.equal(best.indices[:, 0], greedy), "the greedy tokens are not the likeliest"
    assert gap >= GAP, f"a greedy token is ahead by {gap} of the range only; take another seed"
    assert len(set(greedy.tolist())) >= FEWEST_TOKENS, "the continuation is dull; take another seed"


def causal_golden(model, recipe, seed):
    ids = some_ids(LENGTH, seed)
    logits = logits_of(model, ids)
    greedy = greedy_of(model, ids[:PROMPT])
    require_clear_choices(model, ids[:PROMPT], greedy)
    require_visible_features(model, {**COMMON, **recipe.features}, lambda other: logits_of(other, ids))
    log_probs = logits[:-1].log_softmax(-1).gather(1, ids[1:, None])[:, 0]
    return {"input_ids": ids, "logits": logits, "log_probs": log_probs, "greedy": greedy}


def rows_of(model, seed):
    """If the padding token also ends a text, some rows end in it, and one has it in the middle."""
    rows = [some_ids(length, seed + 7 * index) for index, length in enumerate(ROW_LENGTHS)]
    if model.config.pad_token_id == model.config.eos_token_id:
        rows[0][20] = rows[1][-1] = rows[2][-2:] = model.config.eos_token_id
    return rows


def reward_golden(model, recipe, seed):
    rows = rows_of(model, seed)

    def scores(other):
        return torch.cat([other(row[None], use_cache=False).logits for row in rows])

    require_visible_features(model, {**COMMON, **recipe.features}, scores)
    return {**{f"input_ids_{index}": row for index, row in enumerate(rows)}, "scores": scores(model)}


def spread(values):
    return values.max() - values.min()


def require_visible_features(model, features, compute):
    expected = compute(model)
    for feature, without in features.items():
        seen = ((compute(without(model)) - expected).abs().max() / spread(expected)).item()
        assert seen > SEEN, f"{feature}: seen in the result as {seen} of its range only; take another seed"


def make(name, folder, seed=None):
    recipe = RECIPES[name]
    seed = recipe.seed if seed is None else seed
    model = model_of(recipe, seed)
    golden = (reward_golden if is_reward(recipe) else causal_golden)(model, recipe, seed)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as saved:
        model.save_pretrained(saved)
        for file in ("config.json", "model.safetensors"):
            (folder / file).write_bytes((Path(saved) / file).read_bytes())
    (folder / "golden.safetensors").write_bytes(save({key: value.contiguous() for key, value in golden.items()}))


def differences(made, committed):
    """Lists every difference between two folders of one model."""
    files = ("config.json", "model.safetensors", "golden.safetensors")
    missing = [f"{file} is missing" for file in files if not (committed / file).is_file()]
    if missing:
        return missing
    return [*(["config.json differs"] if config_of(made) != config_of(committed) else []),
            *tensor_differences(made / files[1], committed / files[1], 0.0),
            *tensor_differences(made / files[2], committed / files[2], TOLERANCE)]


def config_of(folder):
    keys = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    keys.pop("transformers_version")
    return keys


def tensor_differences(made, committed, tolerance):
    ours, theirs = load_file(made), load_file(committed)
    if ours.keys() != theirs.keys():
        return [f"{made.name} has other tensors: {', '.join(sorted(ours.keys() ^ theirs.keys()))}"]
    return [f"{made.name}: {name} differs" for name in ours if not same(ours[name], theirs[name], tolerance)]


def same(ours, theirs, tolerance):
    if ours.dtype != theirs.dtype or ours.shape != theirs.shape:
        return False
    if not tolerance or not ours.is_floating_point():
        return torch.equal(ours.view(torch.uint8), theirs.view(torch.uint8))
    return bool(((ours - theirs).abs() <= tolerance * spread(theirs)).all())


def check(folder):
    """Fails unless the folder holds exactly what this script makes."""
    wrong = [f"{path.name}: no model of this script" for path in folder.iterdir() if path.name not in RECIPES]
    with tempfile.TemporaryDirectory() as made:
        for name in RECIPES:
            make(name, Path(made) / name)
            wrong += [f"{name}: {what}" for what in differences(Path(made) / name, folder / name)]
    return wrong


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    if options.check:
        wrong = check(options.folder)
        sys.exit("\n".join(wrong) if wrong else 0)
    for name in RECIPES:
        make(name, options.folder / name)


if __name__ == "__main__":
    main()
