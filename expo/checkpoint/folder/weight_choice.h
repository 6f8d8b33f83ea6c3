#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "expo/core/disk/filesystem.h"

namespace expo {

enum class WeightFormat { safetensors, torch, gguf };

/// What of a folder is opened as its weights.
struct WeightChoice {
  WeightFormat format = WeightFormat::safetensors;
  std::filesystem::path file;  ///< the index, or the one file
  bool is_index = false;
  std::vector<std::string> warnings;
};

/// Chooses among a folder's files, in this order: model.safetensors, model.safetensors.index.json,
/// the only other safetensors index or file, pytorch_model.bin, pytorch_model.bin.index.json, the
/// only .gguf file. Not weights of the model: adapter_model.*, consolidated.*, training_args.bin,
/// states of optimiser, scheduler and random numbers, and anything in a folder below. A single
/// file wins over an index of the same name, with a warning, as in transformers. Nothing where
/// there is none of these. Throws Error(input) where several could be meant (they are listed), and
/// for shards without an index.
std::optional<WeightChoice> choose_weights(Filesystem& filesystem,
                                           const std::filesystem::path& folder);

/// What a folder without weights holds and what was looked for: a sentence for an error.
std::string describe_weightless(Filesystem& filesystem, const std::filesystem::path& folder);

/// The choice that a person makes by naming a file, by its extension (any case). Throws
/// Error(input) for other extensions, a shard of several, and an adapter's file.
WeightChoice weights_named(const std::filesystem::path& file);

/// Whether a name is that of weights in a format that is read, whichever model they belong to.
bool is_weight_file(std::string_view name);

}  // namespace expo
