#pragma once

#include <string>
#include <string_view>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/progress.h"

namespace expo {

/// Whether an integer or boolean tensor of this name is a buffer that a model computes or counts by
/// itself, such as `position_ids`, `num_batches_tracked` or the causal mask `attn.bias`: it may
/// differ between two stages of one model and says nothing about what was trained.
bool is_integer_buffer(std::string_view name);

/// Whether an integer tensor holds the packed values of a quantised weight, by its name and those
/// beside it: `….qweight`, `….qzeros`, `….g_idx`, `…_packed`, `…_blocks` with `…_scales`, and
/// integers where a layer's `weight` is expected.
bool looks_packed(const Checkpoint& checkpoint, const Tensor& tensor);

/// Whether a tensor of one checkpoint equals one of another, of the same type and shape, bit for
/// bit. Reads both in pieces up to the first difference.
bool equal_bits(const Checkpoint& a, std::size_t index_a, const Checkpoint& b, std::size_t index_b,
                const CancellationToken& cancellation);

}  // namespace expo
