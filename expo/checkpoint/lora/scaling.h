#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "expo/core/disk/filesystem.h"

namespace expo {

/// Scales an adapter. θ = θ_sft + s·B·A, so the extrapolated model is θ_sft + (1 + α)·s·B·A: the B
/// matrices are multiplied by (1 + α) in float64 and rounded once to their own type, and the
/// configuration is unchanged, so that every tool can read the result. Throws Error(input) for
/// modules_to_save, which a scaled adapter cannot express. Returns the files as name → bytes
/// (adapter_config.json, adapter_model.safetensors, and tokenizer files if present).
std::map<std::string, std::string> scale_adapter(Filesystem& filesystem,
                                                 const std::filesystem::path& folder, double alpha);

}  // namespace expo
