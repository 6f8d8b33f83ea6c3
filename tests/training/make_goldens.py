"""Makes what transformers computes in training with the models of tests/model/goldens.

    make_goldens.py FOLDER            writes FOLDER/<name>.safetensors
    make_goldens.py FOLDER --check    fails where the installed transformers makes other values than those in FOLDER

Of a causal model: rows ids_N and counts_N (which of their tokens are targets), log_probs (of the targets, in order),
coefficients (one for each target) and the gradients of sum(coefficients · log_probs): gradient.NAME whole for the
models in WHOLE, else sketch.NAME, the products with a few fixed waves. The rows go through padded, in one batch, in
float32 with eager attention.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file

HERE = Path(__file__).parent
MODELS = HERE.parent / "model/goldens"
FAMILIES = ("llama", "llama_bias", "llama3_rope", "llama_linear_rope", "mistral", "qwen2", "qwen3", "gemma", "gemma2",
            "olmo2", "smollm3")
WHOLE = ("llama", "mistral")
LENGTHS, WAVES, TOLERANCE = (30, 9, 22), 4, 1e-5


def rows_of(seed):
    generator = torch.Generator().manual_seed(seed)
    rows = [torch.randint(3, 96, (length,), generator=generator) for length in LENGTHS]
    return rows, [torch.rand(len(row), generator=generator) < 0.6 for row in rows]


def sketch(gradient):
    """Products with cosines of several frequencies: one number differs wherever an element does."""
    flat = gradient.double().flatten()
    index = torch.arange(len(flat), dtype=torch.float64)
    return torch.stack([(flat * torch.cos((wave + 1) * 0.37 * index + wave)).sum() for wave in range(WAVES)]).float()


def golden(name):
    model = transformers.AutoModelForCausalLM.from_pretrained(MODELS / name, attn_implementation="eager",
                                                              dtype=torch.float32)
    rows, counts = rows_of(7)
    longest = max(LENGTHS)
    ids = torch.stack([torch.nn.functional.pad(row, (0, longest - len(row)), value=5) for row in rows])
    mask = torch.stack([(torch.arange(longest) < len(row)).long() for row in rows])
    log_probs = model(ids, attention_mask=mask, use_cache=False).logits[:, :-1].log_softmax(-1)
    chosen = log_probs.gather(2, ids[:, 1:, None])[:, :, 0]
    targets = torch.cat([chosen[index, :len(row) - 1][counts[index][1:]] for index, row in enumerate(rows)])
    coefficients = torch.linspace(-1, 1, len(targets)) + 0.1
    (coefficients * targets).sum().backward()
    gradients = {parameter: value.grad for parameter, value in model.named_parameters()}
    kept = ({f"gradient.{key}": value for key, value in gradients.items()} if name in WHOLE else
            {f"sketch.{key}": sketch(value) for key, value in gradients.items()})
    return {**{f"ids_{index}": row for index, row in enumerate(rows)},
            **{f"counts_{index}": count.long() for index, count in enumerate(counts)},
            "log_probs": targets.detach(), "coefficients": coefficients,
            **{key: value.detach().contiguous().clone() for key, value in kept.items()}}


def differs(ours, theirs):
    if not ours.is_floating_point():
        return not torch.equal(ours, theirs)
    scale = max(theirs.abs().max().item(), 1e-6)
    return ours.shape != theirs.shape or bool((ours - theirs).abs().max() > TOLERANCE * scale)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    wrong = []
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) if options.check else options.folder
        folder.mkdir(parents=True, exist_ok=True)
        for name in FAMILIES:
            save_file(golden(name), folder / f"{name}.safetensors")
            if not options.check:
                continue
            ours, theirs = load_file(folder / f"{name}.safetensors"), load_file(options.folder / f"{name}.safetensors")
            wrong += [f"{name}: {key} differs" for key in sorted(ours.keys() | theirs.keys())
                      if key not in ours or key not in theirs or differs(ours[key], theirs[key])]
    sys.exit("\n".join(wrong) if wrong else 0)


if __name__ == "__main__":
    main()
