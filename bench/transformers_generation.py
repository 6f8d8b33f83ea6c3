"""transformers_generation.py MODEL BATCH PROMPT_TOKENS NEW_TOKENS THREADS: generation_speed's work, in transformers.

Prints a line of JSON: how long generate() took for BATCH prompts, greedily and in bfloat16, and its new tokens.
"""

import json
import sys
import time

import torch
from transformers import AutoModelForCausalLM

SEED = 20240418


def answer(model, prompts, new_tokens):
    """The number of new tokens; min_new_tokens keeps the EOS token from ending an answer."""
    output = model.generate(prompts, attention_mask=torch.ones_like(prompts), do_sample=False,
                            min_new_tokens=new_tokens, max_new_tokens=new_tokens)
    return (output.shape[1] - prompts.shape[1]) * prompts.shape[0]


def main():
    path = sys.argv[1]
    batch, prompt_tokens, new_tokens, threads = map(int, sys.argv[2:])
    torch.set_num_threads(threads)
    start = time.perf_counter()
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.bfloat16)
    load_seconds = time.perf_counter() - start
    prompts = torch.randint(model.config.vocab_size, (batch, prompt_tokens),
                            generator=torch.Generator().manual_seed(SEED))
    answer(model, prompts, 2)  # one-time initialisation happens here
    start = time.perf_counter()
    made = answer(model, prompts, new_tokens)
    print(json.dumps({"batch": batch, "new_tokens": made, "seconds": time.perf_counter() - start,
                      "load_seconds": load_seconds}))


if __name__ == "__main__":
    main()
