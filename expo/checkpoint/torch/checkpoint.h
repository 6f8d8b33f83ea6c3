#pragma once

#include <memory>

#include "expo/checkpoint/checkpoint.h"
#include "expo/checkpoint/folder/weight_index.h"
#include "expo/core/disk/filesystem.h"

namespace expo {

/// Opens the PyTorch state dicts (zip archives of torch.save) of one checkpoint; nothing in them is
/// executed. Reads and checks every header, and that the index and the shards agree (every name in
/// the index exists in its shard, and every tensor of a shard is in the index). Throws Error(input)
/// naming the file and the tensor. open_checkpoint sets config, sidecars and location afterwards.
std::unique_ptr<Checkpoint> open_torch(Filesystem& filesystem, const WeightFiles& files);

}  // namespace expo
