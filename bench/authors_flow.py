"""authors_flow.py SFT ALIGNED OUT ALPHA: the flow of the paper's authors, in transformers.

Both models are loaded in bfloat16, each parameter becomes p + α(p − s) in that type, and the result is saved.
"""

import sys

import torch
from transformers import AutoModelForCausalLM


def main():
    sft_path, aligned_path, out, alpha = sys.argv[1:]
    sft = AutoModelForCausalLM.from_pretrained(sft_path, dtype=torch.bfloat16)
    aligned = AutoModelForCausalLM.from_pretrained(aligned_path, dtype=torch.bfloat16)
    with torch.no_grad():
        for parameter, start in zip(aligned.parameters(), sft.parameters(), strict=True):
            parameter.data = parameter.data + float(alpha) * (parameter.data - start.data)
    aligned.save_pretrained(out)


if __name__ == "__main__":
    main()
