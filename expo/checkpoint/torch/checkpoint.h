#pragma once

#include <memory>

#include "expo/checkpoint/checkpoint.h"
#include "expo/checkpoint/folder/weight_index.h"
#include "expo/core/disk/filesystem.h"

namespace expo {

/// Opens the PyTorch state dicts (zip archives of torch.save) of one checkpoint; nothing in them is
/// executed. Reads and checks every header, and the agreement of index and shards (a name in the
/// index that its shard lacks, a tensor in a shard that the index lacks). Throws Error(input)
/// naming file and tensor. config, sidecars and location are left to open_checkpoint.
std::unique_ptr<Checkpoint> open_torch(Filesystem& filesystem, const WeightFiles& files);

}  // namespace expo
