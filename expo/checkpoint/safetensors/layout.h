#pragma once

#include <cstdint>
#include <vector>

#include "expo/checkpoint/output_layout.h"

namespace expo {

/// Lays out safetensors shards as transformers writes them (model.safetensors, or
/// model-00001-of-0000N.safetensors with model.safetensors.index.json), filled greedily in the
/// given order to at most `max_shard_size` data bytes each (a single larger tensor gets a shard of
/// its own). Within a shard, wider types come first, and tensors of equally wide types keep the
/// given order; data starts on a multiple of 4096 bytes. Throws Error(usage) for a tensor named
/// "__metadata__", for two tensors of the same name, for an empty name and for a header over
/// 100,000,000 bytes, and throws what check_output_size throws.
OutputLayout layout_safetensors(const std::vector<OutputTensor>& tensors,
                                std::uint64_t max_shard_size);

}  // namespace expo
