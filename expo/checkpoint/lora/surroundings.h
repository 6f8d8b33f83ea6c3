#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "expo/checkpoint/checkpoint.h"
#include "expo/checkpoint/lora/weights.h"
#include "expo/core/disk/filesystem.h"
#include "expo/core/json.h"

namespace expo {

/// The files around the weights of a base under an adapter.
struct LoraSurroundings {
  Json config;
  std::vector<Sidecar> sidecars;
  std::vector<std::string> warnings;  ///< those of list_sidecars for the adapter's folder
};

/// The config.json and sidecars of a base under an adapter. Files of the adapter's folder override
/// the base's, except config.json and generation_config.json, which describe the base. If the
/// adapter's folder has a tokenizer of its own, it replaces all of the base's, including the chat
/// template, since files of two tokenizers do not fit together. With `untie`, the configuration
/// declares the output head not tied. `weights` is the adapter's weight file, in its folder: which
/// links are followed depends on it (links.h).
LoraSurroundings lora_surroundings(Filesystem& filesystem, const Checkpoint& base,
                                   const std::filesystem::path& weights, bool untie);

/// Warnings against this base: the adapter names another model, or the base is quantised.
std::vector<std::string> base_warnings(const AdapterWeights& adapter, const Checkpoint& base);

}  // namespace expo
