#pragma once

#include <filesystem>
#include <vector>

#include "expo/core/disk/filesystem.h"

namespace expo {

/// How a checkpoint is put in its place.
struct AtomicDirectoryOptions {
  bool overwrite = false;  ///< replace a checkpoint that is there
  bool resume = false;     ///< take over what an interrupted run left
  /// Files and folders that are read; nothing of theirs may be in the way of what is written.
  std::vector<std::filesystem::path> inputs{};
};

/// Where a finished checkpoint will stand, and the names beside it that writing it uses.
struct Destination {
  std::filesystem::path folder;    ///< absolute, without links
  std::filesystem::path partial;   ///< ".NAME.expo-partial": the checkpoint while it is written
  std::filesystem::path replaced;  ///< ".NAME.expo-replaced": the one before, on its way out
  std::filesystem::path lock;      ///< ".NAME.expo-lock"
};

/// Whether a checkpoint can be put at `folder`, which is left as it is. Throws Error(usage) where
/// it is
/// - an input, inside one, or around one, links resolved;
/// - a file, a link to nothing, the root, or the working folder or around it;
/// - a folder with something in it, without `overwrite`;
/// - with it, a folder that is visibly something else than one checkpoint. One checkpoint is: a
///   weight file (.safetensors, .gguf, .bin, .pt, .pth) and a config.json, adapter_config.json or
///   run.json, no subfolder with weights of its own (a training run's checkpoint-500), and no
///   hidden entry but those of `hf download` (so no .git, and no one's home).
/// Error(environment) where the disk fails.
Destination check_destination(Filesystem& filesystem, const std::filesystem::path& folder,
                              const AtomicDirectoryOptions& options);

/// Where the checkpoint for `folder` is while it is written, beside it.
std::filesystem::path partial_folder(const std::filesystem::path& folder);

/// Whether there is anything at `folder` but an empty folder.
bool is_occupied(Filesystem& filesystem, const std::filesystem::path& folder);

}  // namespace expo
