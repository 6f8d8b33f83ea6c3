#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "expo/core/disk/filesystem.h"

namespace expo {

/// θ = θ_sft + s·B·A, so the extrapolated model is θ_sft + (1 + α)·s·B·A: the files of an adapter
/// whose B matrices are multiplied by (1 + α) in float64 and rounded once to their own type
/// (configuration unchanged, so that every tool reads it). Refuses modules_to_save, which a scaled
/// adapter cannot express, with Error(input). Returns name → bytes (adapter_config.json,
/// adapter_model.safetensors, and tokenizer files where present).
std::map<std::string, std::string> scale_adapter(Filesystem& filesystem,
                                                 const std::filesystem::path& folder, double alpha);

}  // namespace expo
