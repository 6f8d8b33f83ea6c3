#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "expo/checkpoint/checkpoint.h"
#include "expo/checkpoint/lora/weights.h"
#include "expo/core/disk/filesystem.h"
#include "expo/core/json.h"

namespace expo {

struct LoraSurroundings {
  Json config;
  std::vector<Sidecar> sidecars;
  std::vector<std::string> warnings;  ///< of list_sidecars over the adapter's folder
};

/// config.json and sidecars of a base under an adapter: the adapter folder's files over the base's,
/// but for config.json and generation_config.json, which describe the base. An adapter folder with
/// a tokenizer of its own replaces the base's whole, chat template included, as files of two
/// tokenizers do not go together. With `untie`, the configuration says that the output head is not
/// tied.
LoraSurroundings lora_surroundings(Filesystem& filesystem, const Checkpoint& base,
                                   const std::filesystem::path& folder, bool untie);

/// What speaks against this base: the adapter names another model, or the base is quantised.
std::vector<std::string> base_warnings(const AdapterWeights& adapter, const Checkpoint& base);

}  // namespace expo
