#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "expo/core/disk/filesystem.h"

namespace expo {

enum class WeightFormat { safetensors, torch, gguf };

/// The files of a folder that are opened as its weights.
struct WeightChoice {
  WeightFormat format = WeightFormat::safetensors;
  std::filesystem::path file;  ///< the index, or the one file
  bool is_index = false;
  std::vector<std::string> warnings;
};

/// Chooses among a folder's files, in this order: model.safetensors, model.safetensors.index.json,
/// the only other safetensors index or file, pytorch_model.bin, pytorch_model.bin.index.json, the
/// only .gguf file. These do not count as weights of the model: adapter_model.*, consolidated.*,
/// training_args.bin, the states of optimiser, scheduler and random number generators, and anything
/// in a subfolder. A single file takes precedence over an index of the same name, with a warning,
/// as in transformers. Returns std::nullopt if there is none of these. Throws Error(input) if
/// several could be meant (they are listed), and for shards without an index.
std::optional<WeightChoice> choose_weights(Filesystem& filesystem,
                                           const std::filesystem::path& folder);

/// An error message that says what was looked for in a folder without weights, and what it holds.
std::string describe_weightless(Filesystem& filesystem, const std::filesystem::path& folder);

/// The choice made by naming a file, which depends on its extension (in upper or lower case).
/// Throws Error(input) for other extensions, for one shard of several, and for an adapter's file.
WeightChoice weights_named(const std::filesystem::path& file);

/// Whether a name is that of weights in a supported format, whichever model they belong to.
bool is_weight_file(std::string_view name);

}  // namespace expo
