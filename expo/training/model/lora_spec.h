#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace expo {

/// Low-rank adapters (Hu et al., "LoRA"): W + scale·B·A with W frozen; names and defaults are
/// PEFT's.
struct LoraSpec {
  std::int64_t rank = 8;         ///< r
  double alpha = 8;              ///< lora_alpha
  bool rank_stabilised = false;  ///< use_rslora: alpha / √r instead of alpha / r
  double dropout = 0;            ///< lora_dropout: of the adapters' inputs, in training only
  /// Any of q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj and down_proj.
  std::vector<std::string> targets = {"q_proj", "v_proj"};

  double scale() const;
};

/// Throws Error(usage) for settings that are out of range or name no known module.
void check(const LoraSpec& spec);

/// All modules that LoraSpec::targets may name, in the order of a layer; "all-linear" stands for
/// these.
const std::vector<std::string>& all_linear_modules();

}  // namespace expo
