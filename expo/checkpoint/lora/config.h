#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "expo/checkpoint/lora/module_pattern.h"

namespace expo {

/// What an adapter_config.json of PEFT says that decides the merged weights. Immutable.
struct LoraConfig {
  std::uint64_t rank = 0;        ///< r
  double alpha = 0;              ///< lora_alpha
  bool rank_stabilised = false;  ///< use_rslora
  /// The weights are (in, out), as those of Conv1D in GPT-2. PEFT decides it by the kind of each
  /// module and saves what it found last, so that it is a hint only.
  bool fan_in_fan_out = false;
  bool ensure_weight_tying = false;
  std::vector<std::pair<ModulePattern, std::uint64_t>> rank_pattern;  ///< first match wins
  std::vector<std::pair<ModulePattern, double>> alpha_pattern;
  std::vector<std::string> modules_to_save;  ///< ends of module names
  std::string base_model;                    ///< base_model_name_or_path; may be empty
  std::string task;                          ///< task_type; may be empty
  std::vector<std::string> warnings;

  /// The rank of a module; its name is that in the model that was trained (without "base_model.").
  std::uint64_t rank_of(std::string_view module) const;
  /// What B·A is multiplied by: alpha / rank, or alpha / √rank with use_rslora.
  double scale_of(std::string_view module) const;
  /// Whether modules_to_save names this module, or one that it is in.
  bool saves(std::string_view module) const;
};

/// Parses and checks an adapter_config.json; `where` begins every message. Throws Error(input) for
/// anything malformed, for a peft_type other than LORA, and by name for every setting under which
/// the merged weights are not base + scale·B·A: use_dora, bias, lora_bias, layer_replication,
/// use_qalora, use_bdlora, the configurations of variants (aLoRA, Arrow, KaSA, MonteCLoRA, VeLoRA),
/// megatron_config, trainable_token_indices, target_parameters, and init_lora_weights that change
/// the base (PiSSA, OLoRA, CorDA, LoftQ, LoRA-GA, MiCA; PEFT writes `true` for adapters that it
/// converted back). A key that is not known is ignored where it is null, false or empty, noted
/// among the warnings where it is a number or a text (a parameter of something that is off), and
/// refused otherwise: that is how PEFT's switches look.
LoraConfig parse_lora_config(std::string_view text, const std::string& where);

}  // namespace expo
