#pragma once

#include <filesystem>
#include <memory>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/disk/filesystem.h"

namespace expo {

/// Whether a folder holds a PEFT adapter, that is, an adapter_config.json.
bool is_adapter_folder(Filesystem& filesystem, const std::filesystem::path& folder);

/// Makes the checkpoint BASE + scale·B·A of a PEFT LoRA adapter. Adapted tensors are delivered as
/// f64, base + scale·(B·A) with products and sums in float64, and their `nominal` is the base's
/// type; all others are the base's own. Handles rank_pattern, alpha_pattern, use_rslora,
/// fan_in_fan_out, Embedding LoRA and modules_to_save; the score.weight of a reward model's adapter
/// (task_type SEQ_CLS) replaces a language model's head, in the configuration too. Throws
/// Error(input), naming the setting, for DoRA, bias other than "none", layer replication and
/// anything else that changes the result, and for an adapter tensor that matches nothing in the
/// base. `folder` holds adapter_config.json and adapter_model.safetensors or .bin. The sidecars are
/// the base's, overridden by those in the adapter's folder. The result shares `base`.
std::shared_ptr<const Checkpoint> apply_lora(Filesystem& filesystem,
                                             std::shared_ptr<const Checkpoint> base,
                                             const std::filesystem::path& folder);

}  // namespace expo
