#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/filesystem.h"

namespace expo {

/// Whether a folder holds a PEFT adapter: an adapter_config.json.
bool is_adapter_folder(Filesystem& filesystem, const std::filesystem::path& folder);

/// The checkpoint BASE + scale·B·A of a PEFT LoRA adapter. Adapted tensors are delivered as f64,
/// base + scale·(B·A) with products and sums in float64, `nominal` being the base's type; all
/// others are the base's own. Handles rank_pattern, alpha_pattern, use_rslora, fan_in_fan_out,
/// Embedding LoRA and modules_to_save; the score.weight of a reward model's adapter (task_type
/// SEQ_CLS) takes the place of a language model's head, in the configuration too. DoRA, bias other
/// than "none", layer replication and anything else that changes the result are refused by name
/// with Error(input), as is an adapter tensor that matches nothing in the base. `folder` holds
/// adapter_config.json and adapter_model.safetensors or .bin. Sidecars: the adapter folder's over
/// the base's. Shares `base`.
std::shared_ptr<const Checkpoint> apply_lora(Filesystem& filesystem,
                                             std::shared_ptr<const Checkpoint> base,
                                             const std::filesystem::path& folder);

/// θ = θ_sft + s·B·A, so the extrapolated model is θ_sft + (1 + α)·s·B·A: the files of an adapter
/// whose B matrices are multiplied by (1 + α) in float64 and rounded once to their own type
/// (configuration unchanged, so that every tool reads it). Refuses modules_to_save, which a scaled
/// adapter cannot express, with Error(input). Returns name → bytes (adapter_config.json,
/// adapter_model.safetensors, and tokenizer files where present).
std::map<std::string, std::string> scale_adapter(Filesystem& filesystem,
                                                 const std::filesystem::path& folder, double alpha);

}  // namespace expo
