#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "expo/checkpoint/lora/module_pattern.h"

namespace expo {

/// The settings of PEFT's adapter_config.json that determine the merged weights. Immutable.
struct LoraConfig {
  std::uint64_t rank = 0;        ///< r
  double alpha = 0;              ///< lora_alpha
  bool rank_stabilised = false;  ///< use_rslora
  /// Whether the weights are (in, out), as those of GPT-2's Conv1D. PEFT decides this by the class
  /// of each module and saves what it found last, so it is only a hint.
  bool fan_in_fan_out = false;
  bool ensure_weight_tying = false;
  std::vector<std::pair<ModulePattern, std::uint64_t>> rank_pattern;  ///< the first match wins
  std::vector<std::pair<ModulePattern, double>> alpha_pattern;
  std::vector<std::string> modules_to_save;  ///< the ends of module names
  std::string base_model;                    ///< base_model_name_or_path; may be empty
  std::string task;                          ///< task_type; may be empty
  std::vector<std::string> warnings;

  /// The rank of a module, given by its name in the model that was trained (without "base_model.").
  std::uint64_t rank_of(std::string_view module) const;
  /// The factor of B·A: alpha / rank, or alpha / √rank with use_rslora.
  double scale_of(std::string_view module) const;
  /// Whether modules_to_save names this module, or one that contains it.
  bool saves(std::string_view module) const;
};

/// Parses and checks an adapter_config.json; every message begins with `where`. Throws Error(input)
/// for anything malformed, for a peft_type other than LORA, and, naming it, for every setting with
/// which the merged weights are not base + scale·B·A: use_dora, bias, lora_bias, layer_replication,
/// use_qalora, use_bdlora, the configurations of variants (aLoRA, Arrow, KaSA, MonteCLoRA, VeLoRA),
/// megatron_config, trainable_token_indices, target_parameters, and init_lora_weights that change
/// the base (PiSSA, OLoRA, CorDA, LoftQ, LoRA-GA, MiCA; PEFT writes `true` for adapters that it
/// converted back). PEFT switches settings off with null, false or an empty value: an unknown key
/// is ignored with such a value, causes a warning if it is a number or a string (the parameter of
/// something that is off), and is refused otherwise.
LoraConfig parse_lora_config(std::string_view text, const std::string& where);

}  // namespace expo
