#pragma once

#include <filesystem>
#include <optional>

#include "expo/core/disk/filesystem.h"

namespace expo {

/// Whether a path is the folder or below it, by their names alone: both canonical.
bool lies_in(const std::filesystem::path& path, const std::filesystem::path& folder);

/// Where links lead from a path in a checkpoint's folder, if that is out of the folder: a cloned
/// repository must not be able to name any file of the machine as its own. Nothing for a path that
/// stays inside, and in a snapshot of the Hugging Face cache (CACHE/MODEL/snapshots/COMMIT/) for
/// one that leads to where the cache keeps its files: CACHE/MODEL/blobs/, or CACHE/blobs/XX/, which
/// models share; from a folder outside the cache for one that leads into
/// CACHE/models--OWNER--NAME/blobs/, as older downloads into a folder do.
std::optional<std::filesystem::path> way_out(Filesystem& filesystem,
                                             const std::filesystem::path& folder,
                                             const std::filesystem::path& path);

}  // namespace expo
