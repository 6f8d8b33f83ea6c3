"""Measures TRL's DPO on a file of pairs; training_bench.py runs it in an environment with trl.

    trl_dpo.py MODEL PAIRS.jsonl RESULT.json [--float32] [--precompute] [--steps N] [--threads N]
"""

import argparse
import json
import resource
import tempfile
import time

import torch
import transformers
from datasets import load_dataset
from trl import DPOConfig, DPOTrainer


class Clock(transformers.TrainerCallback):
    """Records the seconds and processor seconds of each step."""

    def __init__(self):
        self.steps, self.began = [], None

    def on_step_begin(self, *_args, **_kwargs):
        self.began = time.perf_counter(), time.process_time()

    def on_step_end(self, *_args, **_kwargs):
        self.steps.append((time.perf_counter() - self.began[0], time.process_time() - self.began[1]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("pairs")
    parser.add_argument("result")
    parser.add_argument("--float32", action="store_true")
    parser.add_argument("--precompute", action="store_true", help="the reference's log-probabilities before the first step")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = transformers.AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32)
    tokenizer = transformers.AutoTokenizer.from_pretrained(options.model)
    rows = load_dataset("json", data_files=options.pairs, split="train").remove_columns("messages")
    rows = rows.map(lambda row: {"prompt": row["chosen"][:-1], "chosen": row["chosen"][-1:], "rejected": row["rejected"][-1:]})
    clock = Clock()
    with tempfile.TemporaryDirectory() as scratch:
        config = DPOConfig(
            output_dir=scratch, per_device_train_batch_size=8, gradient_accumulation_steps=1, max_steps=options.steps,
            beta=0.1, learning_rate=1e-6, warmup_steps=1, lr_scheduler_type="cosine", bf16=not options.float32,
            gradient_checkpointing=False, train_sampling_strategy="sequential", logging_steps=1, save_strategy="no",
            report_to="none", use_cpu=True, disable_tqdm=True, max_length=1024,
            precompute_ref_log_probs=options.precompute)
        trainer = DPOTrainer(model=model, args=config, train_dataset=rows, processing_class=tokenizer, callbacks=[clock])
        tokens = [sum(2 * len(row["prompt_ids"]) + len(row["chosen_ids"]) + len(row["rejected_ids"])
                      for row in trainer.train_dataset.select(range(8 * step, min(8 * step + 8, len(rows)))))
                  for step in range((len(rows) + 7) // 8)]
        trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    with open(options.result, "w", encoding="utf-8") as out:
        json.dump({"losses": losses, "seconds": [wall for wall, _ in clock.steps],
                   "processor_seconds": [busy for _, busy in clock.steps],
                   "tokens": [tokens[step % len(tokens)] for step in range(len(clock.steps))],
                   "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}, out)


if __name__ == "__main__":
    main()
