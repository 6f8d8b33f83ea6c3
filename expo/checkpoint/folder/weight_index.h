#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "expo/core/disk/filesystem.h"

namespace expo {

/// The weight files of one checkpoint, found but not opened.
struct WeightFiles {
  std::vector<std::filesystem::path> files;       ///< in the order of their names
  std::filesystem::path index;                    ///< "….index.json"; empty for a single file
  std::map<std::string, std::size_t> weight_map;  ///< tensor → files[i]; empty for a single file
  std::optional<std::uint64_t>
      total_size;  ///< metadata.total_size of the index: bytes of all tensors
  std::vector<std::string> warnings;
};

/// Reads an index file (`model.safetensors.index.json`, `pytorch_model.bin.index.json`). Throws
/// Error(input) for anything malformed, a name that leaves the folder (`..`, absolute, a separator,
/// a link that the LinkScope (links.h) does not accept), or a missing shard.
WeightFiles read_weight_index(Filesystem& filesystem, const std::filesystem::path& index);

}  // namespace expo
