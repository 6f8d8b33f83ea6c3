#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "expo/checkpoint/hub/cache.h"
#include "expo/core/disk/filesystem.h"

namespace expo {

/// The parts of BASE+ADAPTER+…, each a name that locate_model takes; one part where there is no
/// adapter. A '+' separates only where it is not within an existing path: of the parts' possible
/// beginnings the longest one that is an existing path is taken. Throws Error(input) for an empty
/// part.
std::vector<std::string> split_reference(Filesystem& filesystem, const std::string& reference);

/// Where a name leads.
struct ModelLocation {
  std::filesystem::path path;
  bool is_folder = true;
  std::optional<HubSnapshot> snapshot;  ///< where it lies in the Hugging Face cache
};

/// What one name stands for: an existing folder or file, or else a Hugging Face id with an optional
/// @REVISION, which must lie in the cache. An existing path wins, so that an id is never looked up
/// where a folder of that name is at hand. The cache's folder of a model (models--owner--name)
/// stands for its revision main. Throws Error(input) for what is nowhere, with the `hf download`
/// line where it could be an id.
ModelLocation locate_model(Filesystem& filesystem, const std::string& name,
                           const Environment& environment);

}  // namespace expo
