#include "expo/training/config/unknown_key.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "expo/training/config/keys.h"
#include "expo/training/config/training_config.h"

namespace expo {
namespace {

struct Advice {
  const char* what;
  std::vector<const char*> keys;
};

const std::vector<Advice>& advice() {
  static const std::vector<Advice> all = {
      {"every step is logged, in metrics.jsonl; leave it out",
       {"logging_steps", "logging_strategy", "logging_first_step", "logging_dir", "log_level",
        "report_to", "run_name", "disable_tqdm"}},
      {"save_steps sets how often checkpoints are saved; leave it out",
       {"save_strategy", "save_only_model"}},
      {"eval_dataset_name and eval_steps set whether and how often to evaluate; leave it out",
       {"eval_strategy", "evaluation_strategy", "do_eval", "do_train", "eval_on_start"}},
      {"bf16 sets the type of matrix products, save_dtype that of the saved weights, and all else "
       "is float32; leave it out",
       {"torch_dtype", "dtype", "fp16", "tf32", "bf16_full_eval", "fp16_full_eval"}},
      {"rows are always packed, and each row attends only to itself; leave it out",
       {"attn_implementation", "packing", "padding_free", "eval_packing", "use_liger_kernel",
        "group_by_length", "padding_side", "pad_to_multiple_of"}},
      {"the optimiser is always AdamW, with its state divided among the ranks; leave it out",
       {"optim", "optim_args", "deepspeed", "fsdp", "fsdp_config", "ddp_find_unused_parameters"}},
      {"tokens_per_pass limits what goes through the model at once; leave it out",
       {"per_device_eval_batch_size", "eval_accumulation_steps", "auto_find_batch_size",
        "precompute_ref_batch_size"}},
      {"nothing is uploaded or downloaded; leave it out",
       {"push_to_hub", "hub_model_id", "hub_strategy", "hub_token", "hub_private_repo",
        "trust_remote_code", "model_revision"}},
      {"the rows are read and tokenized as they are needed; leave it out",
       {"dataset_num_proc", "dataloader_num_workers", "dataloader_pin_memory",
        "remove_unused_columns", "dataset_text_field", "dataset_kwargs", "dataset_config"}},
      {"gradient_checkpointing has no variants here; leave it out",
       {"gradient_checkpointing_kwargs", "use_reentrant"}},
      {"it follows from the command; leave it out", {"lora_task_type", "task_type", "use_cpu"}},
      {"use max_length instead", {"max_seq_length"}},
      {"prompts are cut from the left and answers from the right; leave it out",
       {"truncation_mode"}},
      {"use resume, which continues from the newest checkpoint", {"resume_from_checkpoint"}},
      {"use_peft always trains plain LoRA; leave it out",
       {"load_in_4bit", "load_in_8bit", "use_dora", "lora_modules_to_save"}},
      {"use dataset_name for one data set, and fraction for a share of it",
       {"dataset_mixer", "dataset_mixture", "dataset_splits", "max_train_samples"}},
      {"conversations are rendered by the model's chat template or that of chat_template_path",
       {"chat_template"}},
  };
  return all;
}

std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({changed, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string advice_on_key(const std::string& name) {
  for (const Advice& entry : advice()) {
    if (std::ranges::any_of(entry.keys, [&](const char* key) { return name == key; }))
      return entry.what;
  }
  constexpr std::size_t kNear = 3;
  const auto far = [&](const ConfigKey& key) { return edit_distance(name, key.name); };
  const auto& keys = config_keys();
  const auto nearest = std::ranges::min_element(keys, {}, far);
  return far(*nearest) < kNear ? std::string("did you mean ") + nearest->name + "?" : std::string();
}

}  // namespace expo
