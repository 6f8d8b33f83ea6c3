#pragma once

#include <memory>

#include "expo/checkpoint/checkpoint.h"
#include "expo/checkpoint/folder/weight_index.h"
#include "expo/core/disk/filesystem.h"

namespace expo {

/// Opens the safetensors files of one checkpoint (the format is described in the safetensors
/// README, "Format"). Reads and checks every header, and checks that index and shards agree: no
/// name in the index that its shard lacks, and no tensor in a shard that the index lacks. Throws
/// Error(input) naming file and tensor. config, sidecars and location are left to open_checkpoint
/// to fill in.
std::unique_ptr<Checkpoint> open_safetensors(Filesystem& filesystem, const WeightFiles& files);

}  // namespace expo
