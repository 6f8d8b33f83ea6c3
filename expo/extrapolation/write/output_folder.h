#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "expo/checkpoint/checkpoint.h"
#include "expo/checkpoint/output_layout.h"
#include "expo/core/disk/filesystem.h"
#include "expo/core/json.h"

namespace expo {

/// The type that most bytes of the output are stored in, for config.json's dtype.
DType main_dtype(const std::vector<OutputTensor>& tensors);

/// Writes the files beside the weights: the checkpoint's sidecar files (config.json with its dtype
/// corrected), and last the layout's index.
void write_sidecars(Filesystem& filesystem, const Checkpoint& checkpoint,
                    const std::vector<OutputTensor>& tensors, const std::filesystem::path& folder);
void write_index(Filesystem& filesystem, const OutputLayout& layout,
                 const std::filesystem::path& folder);

/// The files of a checkpoint with size and modification time, to recognise whether an input is
/// still the same.
Json describe_files(Filesystem& filesystem, const Checkpoint& checkpoint);

/// The paths that must not be overwritten: every file of the checkpoint, and the folder of its
/// sidecars.
std::vector<std::filesystem::path> input_paths(Filesystem& filesystem,
                                               const Checkpoint& checkpoint);

/// Throws Error(environment) if the disk of `destination` has less than `bytes` free.
void check_free_space(Filesystem& filesystem, const std::filesystem::path& destination,
                      std::uint64_t bytes);

}  // namespace expo
