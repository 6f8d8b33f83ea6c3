#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "expo/core/dtype.h"
#include "expo/core/json.h"
#include "expo/text/columns.h"
#include "expo/training/config/learning_rate.h"
#include "expo/training/loss/preference_loss.h"
#include "expo/training/model/adamw.h"
#include "expo/training/model/lora_spec.h"

namespace expo {

enum class TrainingMethod { sft, dpo, reward };

/// Parses "sft", "dpo" or "reward"; throws Error(usage) for another word.
TrainingMethod training_method(const std::string& word);
const char* word_of(TrainingMethod method);

/// The configuration of a training run. Names are those of TRL, transformers and PEFT if they have
/// one.
struct TrainingConfig {
  TrainingMethod method = TrainingMethod::dpo;

  std::string model_name_or_path;
  std::string ref_model_name_or_path;  ///< DPO; empty: the model itself
  std::string dataset_name;            ///< a file or folder
  std::string dataset_train_split;     ///< split, if the data set is a folder
  std::string eval_dataset_name;
  std::string dataset_test_split;
  std::string chat_template_path;
  std::string output_dir;
  bool overwrite_output_dir = false;
  bool resume = false;

  Columns columns;  ///< columns of preference pairs
  double fraction = 1;
  std::int64_t max_length = 1024;
  std::int64_t max_prompt_length = 512;
  bool assistant_only_loss = true;  ///< SFT
  std::optional<bool> completion_only_loss =
      {};  ///< SFT; std::nullopt: where there is a completion

  PreferenceLoss loss;
  double center_rewards_coefficient = 0;

  std::int64_t per_device_train_batch_size = 8;
  std::int64_t gradient_accumulation_steps = 16;
  double num_train_epochs = 1;
  std::int64_t max_steps = 0;  ///< 0: determined by the epochs
  bool sequential = false;     ///< train_sampling_strategy: sequential instead of random
  double learning_rate = 5e-7;
  ScheduleKind schedule = ScheduleKind::cosine;
  double warmup_ratio = 0.1;
  std::int64_t warmup_steps = 0;  ///< 0: determined by the ratio; see settle_defaults
  AdamWSpec adamw;
  double max_grad_norm = 1;  ///< 0: no clipping

  bool use_peft = false;
  LoraSpec lora;

  bool bf16 = true;
  bool gradient_checkpointing = false;
  std::int64_t tokens_per_pass = 1024;
  std::string device = "auto";  ///< a name for choose_device
  unsigned threads = 0;         ///< 0: one for each processor
  std::uint64_t seed = 42;

  std::int64_t eval_steps = 0;  ///< 0: only at the end
  std::int64_t save_steps = 0;
  std::int64_t save_total_limit = 0;  ///< 0: all
  DType save_dtype = DType::f32;
  std::string reference_cache_dir;  ///< empty: within output_dir
  double ddp_timeout = 1800;        ///< seconds that a rank waits for another

  std::vector<std::string> given;  ///< names of the keys that were set, to whatever value
};

/// The defaults of a method. DPO's are those of the paper; bf16 is on if has_fast_bf16(); see
/// settle_device.
TrainingConfig default_config(TrainingMethod method);

/// Adapts what was not set to what was: max_prompt_length becomes half of max_length if it would
/// not fit, and a warmup_steps of 0 that was set after a warmup_ratio, or without one, means no
/// warm-up.
void settle_defaults(TrainingConfig& config);

/// Sets the defaults for a GPU of this compute capability: from 8 on it has fast bfloat16, which is
/// then the default.
void settle_device(TrainingConfig& config, int capability);

/// Throws Error(usage) that says that no key has that name, and what to use instead.
[[noreturn]] void refuse_unknown_key(const std::string& name, const std::string& where);

/// Sets one key from text. Throws Error(usage), beginning with `where`, for a key that is unknown
/// or does not belong to the method, and for a value that is not valid.
void set_key(TrainingConfig& config, const std::string& name, const std::string& value,
             const std::string& where);
/// Sets the keys of a YAML file; lists are joined by commas. Throws what set_key throws, and
/// Error(usage) for values that are neither scalars nor lists.
void apply_yaml(TrainingConfig& config, const std::string& text, const std::string& where);
/// Throws Error(usage) for settings that contradict each other and for missing ones.
void check(const TrainingConfig& config);
/// The effective configuration, with every key that belongs to the method.
Json to_json(const TrainingConfig& config);

}  // namespace expo
