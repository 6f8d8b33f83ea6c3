#pragma once

#include <cstdint>
#include <vector>

#include "expo/checkpoint/output_layout.h"

namespace expo {

/// Safetensors shards as transformers writes them (model.safetensors, or
/// model-00001-of-0000N.safetensors with model.safetensors.index.json), filled greedily in the
/// given order to at most `max_shard_size` data bytes each (a single larger tensor gets a shard of
/// its own). Within a shard wider types come first, otherwise the given order holds; data starts on
/// a multiple of 4096. Throws Error(usage) for a tensor named "__metadata__", two of one name, an
/// empty name, or a header over 100,000,000 bytes, and what check_output_size throws.
OutputLayout layout_safetensors(const std::vector<OutputTensor>& tensors,
                                std::uint64_t max_shard_size);

}  // namespace expo
