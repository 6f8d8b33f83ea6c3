"""Trainings and inspections that nobody ran, with the files of real ones."""

import numpy as np

KINDS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "norm"]


def training(name="training", steps=60, seed=1, evaluations=3):
    """A DPO run whose margins grow; it is evaluated a few times, unless `evaluations` is 0."""
    random = np.random.default_rng(seed)
    lines = []
    for step in range(1, steps + 1):
        margin = 0.4 * (1 - np.exp(-3 * step / steps)) + 0.05 * random.normal()
        lines.append({"step": step, "epoch": step / steps, "logps/chosen": -30 + random.normal(), "logps/rejected": -60 + random.normal(),
                      "loss": float(np.log1p(np.exp(-margin))), "rewards/accuracies": float(random.random()),
                      "rewards/chosen": margin / 3, "rewards/margins": margin, "rewards/rejected": -2 * margin / 3,
                      "grad_norm": 10 + random.normal(), "learning_rate": 2e-6 * min(1, step / 6), "tokens": 1400,
                      "tokens_per_second": 200 + 10 * random.normal()})
        if evaluations and step % (steps // evaluations) == 0:
            lines.append({"step": step, "eval_loss": 0.69 - 0.1 * step / steps, "eval_rewards/margins": 0.3 * step / steps})
    settings = {"expo": "0.1.0", "command": "expo train dpo --output-dir run", "total_steps": steps, "device": "cpu",
                "config": {"method": "dpo", "model_name_or_path": "sft", "dataset_name": "pairs.jsonl", "learning_rate": 2e-06},
                "data": {"digest": "xxh3-128:c3fc9eb892b2e5b5a97a75ad91120546"},
                "serving": {"dtype": "bfloat16", "effective_alpha": -0.97, "changed": 1000, "lost": 990}}
    session = {"started": "2026-11-29T08:00:00Z", "ended": "2026-11-29T09:12:00Z", "command": settings["command"], "expo": "0.1.0",
               "machine": {"processor": "A trainer's processor", "cores": 16, "memory": 64000000000, "instructions": "amx", "device": "cuda"}}
    return {"kind": "train", "name": name, "folder": name, "missing": [], "settings": settings, "sessions": [session], "metrics": lines}


def tensor(name, kind, layer, random):
    return {"name": name, "kind": kind, "layer": layer, "delta_norm": float(random.gamma(2, 0.01)), "sft_norm": float(5 + random.random())}


def inspection(layers=6, seed=1, spectrum=True):
    random = np.random.default_rng(seed)
    tensors = [tensor(f"model.layers.{layer}.{kind}.weight", kind, layer, random) for layer in range(layers) for kind in KINDS]
    # Two tensors of one kind in one layer, and some outside the layers.
    tensors.append(tensor("model.layers.0.second_norm.weight", "norm", 0, random))
    tensors += [tensor("model.embed_tokens.weight", "embedding", None, random), tensor("model.norm.weight", "norm", None, random)]
    if spectrum:
        tensors[0]["spectrum"] = sorted((float(each) for each in random.gamma(1, 1, 32)), reverse=True)
    rounding = [{"alpha": alpha, "effective_alpha": 0.9 * alpha - 0.05, "lost": 0.4 - 0.3 * alpha, "overflows": 0}
                for alpha in (0, 0.1, 0.3, 0.5)]
    return {"sft": {"location": "sft", "format": "safetensors"}, "aligned": {"location": "all/final", "format": "safetensors"},
            "sampled_share": 1.0, "out_dtype": "bfloat16", "total": {"rounding": rounding}, "tensors": tensors,
            "warnings": ["a warning of the inspection"],
            "verdict": {"relation": "preference_successor", "headline": "This looks like one small step of training.",
                        "evidence": ["the relative norm is 0.002"], "caveats": [], "advice": []}}
