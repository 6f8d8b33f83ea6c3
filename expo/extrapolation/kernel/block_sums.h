#pragma once

#include <cstddef>
#include <span>

#include "expo/extrapolation/kernel/equation_2.h"

namespace expo {

/// Measures what Q8_0 blocks keep of an extrapolation. `sums` must hold the sums over the float32
/// values before quantisation; this replaces `lost` (counting where the block yields what Q8_0 of θ
/// yields) and `applied_dot_delta` by what the blocks hold. `input` describes the θ of the whole
/// blocks, the θ_sft of the first `input.count` of their elements, and α; its `out` is not used.
/// Thread-safe.
void measure_q8_0(const KernelInput& input, std::span<const std::byte> blocks, DeltaSums& sums);

}  // namespace expo
