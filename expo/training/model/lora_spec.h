#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "expo/core/json.h"

namespace expo {

/// Low-rank adapters (Hu et al., "LoRA"): W + scale·B·A with W frozen; names and defaults are
/// PEFT's.
struct LoraSpec {
  std::int64_t rank = 8;         ///< r
  double alpha = 8;              ///< lora_alpha
  bool rank_stabilised = false;  ///< use_rslora: alpha / √r instead of alpha / r
  double dropout = 0;            ///< lora_dropout: of the adapters' inputs, in training only
  /// The ends of module names, from q_proj to layers.0.self_attn.q_proj.
  std::vector<std::string> targets = {"q_proj", "v_proj"};
  /// A regular expression that matches whole names of modules, as PEFT's target_modules may be;
  /// `targets` is then empty.
  std::string pattern;

  double scale() const;
  /// Sets targets or pattern from text: names separated by commas, all-linear, or else an
  /// expression. Text is names if it has only letters, digits and any of "_-., ".
  void set_targets(std::string_view text);
  /// As PEFT's configuration has them: a list of names, or the expression.
  Json target_modules() const;
};

/// Throws Error(usage) for settings that are out of range, for names that no module can have and
/// for what is not a regular expression.
void check(const LoraSpec& spec);

/// The ends of the names of all modules that can be adapted, in the order of a layer; "all-linear"
/// stands for these.
const std::vector<std::string>& all_linear_modules();

}  // namespace expo
