#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "expo/checkpoint/hub/cache.h"
#include "expo/core/disk/filesystem.h"

namespace expo {

/// Splits BASE+ADAPTER+… into its parts, each a name that locate_model takes; without an adapter
/// there is one part. A '+' within an existing path does not separate: if some beginning of the
/// rest is an existing path, the longest such beginning is the next part. Throws Error(input) for
/// an empty part.
std::vector<std::string> split_reference(Filesystem& filesystem, const std::string& reference);

/// The place that a name leads to.
struct ModelLocation {
  std::filesystem::path path;
  bool is_folder = true;
  std::optional<HubSnapshot> snapshot;  ///< set if it lies in the Hugging Face cache
};

/// Locates the model that a name stands for: an existing folder or file, or else a Hugging Face id
/// with an optional @REVISION, which must be in the cache. An existing path takes precedence, so
/// that an id is never looked up if there is a folder of that name. The cache's folder of a model
/// (models--owner--name) stands for its revision main. Throws Error(input) if nothing is found,
/// with the `hf download` command if the name could be an id.
ModelLocation locate_model(Filesystem& filesystem, const std::string& name,
                           const Environment& environment);

}  // namespace expo
