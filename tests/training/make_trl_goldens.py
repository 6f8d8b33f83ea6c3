"""Makes ten steps of training as TRL takes them, with the models of tests/model/goldens.

    make_trl_goldens.py FOLDER            writes FOLDER/<run>.safetensors
    make_trl_goldens.py FOLDER --check    fails where the installed TRL makes other values than those in FOLDER

Each file holds the pairs (ids_N_chosen, ids_N_rejected, prompt_N: how many tokens both begin with), the loss and
gradient norm of every step, weight.NAME after the last and, of adapters, initial.NAME before the first. Needs trl and datasets beside the test environment.
"""

import argparse
import contextlib
import os
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from datasets import Dataset
from peft import LoraConfig
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models
from trl import DPOConfig, DPOTrainer, RewardConfig, RewardTrainer, SFTConfig, SFTTrainer

HERE = Path(__file__).parent
MODELS = HERE.parent / "model/goldens"
PAIRS, STEPS, TOLERANCE = 18, 10, 1e-4
COMMON = {"max_steps": STEPS, "per_device_train_batch_size": 2, "gradient_accumulation_steps": 2, "learning_rate": 1e-4,
          "lr_scheduler_type": "cosine", "warmup_steps": 1, "weight_decay": 0.1, "max_grad_norm": 1.0, "bf16": False,
          "adam_epsilon": 1e-6, "gradient_checkpointing": False, "train_sampling_strategy": "sequential",
          "logging_steps": 1, "save_strategy": "no", "report_to": "none", "disable_tqdm": True, "use_cpu": True,
          "dataloader_pin_memory": False, "max_length": 64}
DPO = {"beta": 0.1, "precompute_ref_log_probs": True}
LORA = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "o_proj", "up_proj", "down_proj"],
                  task_type="CAUSAL_LM")
RUNS = {
    "dpo_llama": ("llama", "dpo", {**DPO, "loss_type": ["sigmoid"]}),
    "dpo_mistral": ("mistral", "dpo", {**DPO, "loss_type": ["sigmoid"]}),
    "dpo_ipo_llama": ("llama", "dpo", {**DPO, "loss_type": ["ipo"]}),
    "dpo_robust_llama": ("llama", "dpo", {**DPO, "loss_type": ["robust"], "label_smoothing": 0.2}),
    "dpo_lora_llama": ("llama", "dpo", {**DPO, "loss_type": ["sigmoid"], "learning_rate": 1e-3}),
    "sft_llama": ("llama", "sft", {"completion_only_loss": True}),
    "reward_qwen2": ("qwen2_reward", "reward", {"center_rewards_coefficient": 0.01}),
}


def tokenizer():
    words = {f"t{number}": number for number in range(96)}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="t0")),
                                                pad_token="t0", eos_token="t2")


def pairs():
    generator = torch.Generator().manual_seed(11)

    def ids(low, high):
        length = int(torch.randint(low, high, (1,), generator=generator))
        return torch.randint(3, 96, (length,), generator=generator).tolist()

    return [{"prompt_ids": ids(3, 12), "chosen_ids": ids(2, 20), "rejected_ids": ids(2, 20)} for _ in range(PAIRS)]


class Prepared:
    """Rows that are tokens already."""

    def _prepare_dataset(self, dataset, *_args, **_kwargs):
        return dataset


class Dpo(Prepared, DPOTrainer):
    pass


def trainer_of(kind, model, rows, arguments, adapter):
    if kind == "dpo":
        return Dpo(model=model, args=DPOConfig(**arguments), train_dataset=Dataset.from_list(rows),
                   processing_class=tokenizer(), peft_config=adapter)
    if kind == "reward":
        whole = [{"chosen_ids": row["prompt_ids"] + row["chosen_ids"],
                  "rejected_ids": row["prompt_ids"] + row["rejected_ids"]} for row in rows]
        return RewardTrainer(model=model, args=RewardConfig(**arguments), train_dataset=Dataset.from_list(whole),
                             processing_class=tokenizer())
    whole = [{"input_ids": row["prompt_ids"] + row["chosen_ids"],
              "completion_mask": [0] * len(row["prompt_ids"]) + [1] * len(row["chosen_ids"])} for row in rows]
    return SFTTrainer(model=model, args=SFTConfig(**arguments), train_dataset=Dataset.from_list(whole),
                      processing_class=tokenizer())


def golden(name):
    folder, kind, extra = RUNS[name]
    classes = {"reward": transformers.AutoModelForSequenceClassification}
    model = classes.get(kind, transformers.AutoModelForCausalLM).from_pretrained(
        MODELS / folder, attn_implementation="eager", dtype=torch.float32)
    rows = pairs()
    adapter = LORA if "lora" in name else None
    torch.manual_seed(5)
    with tempfile.TemporaryDirectory() as scratch:
        trainer = trainer_of(kind, model, rows, {**COMMON, **extra, "output_dir": scratch}, adapter)
        initial = {key: value.detach().clone() for key, value in trainer.model.named_parameters() if "lora_" in key}
        trainer.train()
    history = [entry for entry in trainer.state.log_history if "loss" in entry]
    assert len(history) == STEPS, history
    result = {"losses": torch.tensor([float(entry["loss"]) for entry in history]),
              "grad_norms": torch.tensor([float(entry["grad_norm"]) for entry in history]),
              "learning_rates": torch.tensor([float(entry["learning_rate"]) for entry in history])}
    for number, row in enumerate(rows):
        result[f"ids_{number}_chosen"] = torch.tensor(row["prompt_ids"] + row["chosen_ids"])
        result[f"ids_{number}_rejected"] = torch.tensor(row["prompt_ids"] + row["rejected_ids"])
        result[f"prompt_{number}"] = torch.tensor([len(row["prompt_ids"])])
    for parameter, value in initial.items():
        result["initial." + parameter.replace(".default", "")] = value
    for parameter, value in trainer.model.named_parameters():
        if value.requires_grad:
            result["weight." + parameter.replace(".default", "")] = value.detach().contiguous().clone()
    return result


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
    options.folder.mkdir(parents=True, exist_ok=True)
    wrong = []
    for name in RUNS:
        with open(os.devnull, "w", encoding="utf-8") as silence, contextlib.redirect_stdout(silence):
            ours = golden(name)
        if not options.check:
            save_file(ours, options.folder / f"{name}.safetensors")
            continue
        theirs = load_file(options.folder / f"{name}.safetensors")
        wrong += [f"{name}: {key} differs" for key in sorted(ours.keys() | theirs.keys())
                  if key not in ours or key not in theirs or differs(ours[key], theirs[key])]
    sys.exit("\n".join(wrong) if wrong else 0)


if __name__ == "__main__":
    main()
