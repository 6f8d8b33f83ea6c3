#pragma once

#include <filesystem>
#include <vector>

#include "expo/core/disk/filesystem.h"

namespace expo {

/// How a checkpoint is put in place.
struct AtomicDirectoryOptions {
  bool overwrite = false;  ///< replace a checkpoint that is there
  bool resume = false;     ///< continue what an interrupted run left
  /// Files and folders that are read; the output must not touch any of them.
  std::vector<std::filesystem::path> inputs{};
};

/// The final place of a checkpoint, and the names beside it that are used while it is written.
struct Destination {
  std::filesystem::path folder;    ///< absolute, without links
  std::filesystem::path partial;   ///< ".NAME.expo-partial": the checkpoint while it is written
  std::filesystem::path replaced;  ///< ".NAME.expo-replaced": the previous one, until it is removed
  std::filesystem::path lock;      ///< ".NAME.expo-lock"
};

/// Checks whether a checkpoint can be put at `folder`, without changing anything. Throws
/// Error(usage) if it is
/// - an input, inside one, or contains one, with links resolved;
/// - a file, a dangling link, the root, or the working folder or a folder that contains it;
/// - a folder that is not empty, without `overwrite`;
/// - with `overwrite`, a folder that is not just one checkpoint. One checkpoint consists of a
///   weight file (.safetensors, .gguf, .bin, .pt, .pth) and a config.json, adapter_config.json or
///   run.json, no subfolder with weights of its own (a training run's checkpoint-500), and no
///   hidden entry except those of `hf download` (so neither .git nor a home folder will do).
/// Throws Error(environment) if the disk fails.
Destination check_destination(Filesystem& filesystem, const std::filesystem::path& folder,
                              const AtomicDirectoryOptions& options);

/// The folder beside `folder` in which its checkpoint is written.
std::filesystem::path partial_folder(const std::filesystem::path& folder);

/// Whether there is anything at `folder` other than an empty folder.
bool is_occupied(Filesystem& filesystem, const std::filesystem::path& folder);

}  // namespace expo
