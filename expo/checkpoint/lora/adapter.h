#pragma once

#include <filesystem>
#include <memory>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/disk/filesystem.h"

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

}  // namespace expo
