"""Measures how long TRL takes to prepare conversations for SFT; preparation_bench.py runs it in an environment with trl.

    trl_preparation.py MODEL DATA.jsonl RESULT.json [--processes N]

What is measured is SFTTrainer's own preparation (`datasets.map` over apply_chat_template with
return_assistant_tokens_mask) without the reading of the file, and without the cache of an earlier run.
"""

import argparse
import json
import resource
import tempfile
import time

import datasets
import transformers
from trl import SFTConfig, SFTTrainer


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("result")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        rows = datasets.load_dataset("json", data_files=options.data, split="train", cache_dir=cache)
        tokenizer = transformers.AutoTokenizer.from_pretrained(options.model)
        config = transformers.LlamaConfig(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1,
                                          vocab_size=len(tokenizer))
        arguments = SFTConfig(output_dir=f"{cache}/out", assistant_only_loss=True, dataset_num_proc=options.processes,
                              max_length=None, report_to=[], use_cpu=True, bf16=False)
        model = transformers.LlamaForCausalLM(config)
        few = rows.select(range(4))
        began = time.perf_counter()
        SFTTrainer(model=model, args=arguments, train_dataset=few, processing_class=tokenizer)
        start = time.perf_counter()
        trainer = SFTTrainer(model=model, args=arguments, train_dataset=rows, processing_class=tokenizer)
        seconds = time.perf_counter() - start
        prepared = trainer.train_dataset
        tokens = counted = 0
        for row in prepared.select_columns(["input_ids", "labels"]):
            tokens += len(row["input_ids"])
            counted += sum(label != -100 for label in row["labels"])
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    with open(options.result, "w", encoding="utf-8") as file:
        json.dump({"rows": len(rows), "tokens": tokens, "counted": counted, "seconds": seconds - (start - began),
                   "seconds_of_four": start - began, "peak_bytes_of_a_process": children * 1024}, file)


if __name__ == "__main__":
    main()
