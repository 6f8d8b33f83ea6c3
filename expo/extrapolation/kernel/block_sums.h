#pragma once

#include <cstddef>
#include <span>

#include "expo/extrapolation/kernel/equation_2.h"

namespace expo {

/// What Q8_0 blocks keep of an extrapolation. `sums` were taken of the float32 values before they
/// were quantised; this takes `lost` (the block gives what Q8_0 of θ gives) and
/// `applied_dot_delta` of what the blocks hold. `input` names the whole blocks' θ, θ_sft of the
/// first `input.count` of their elements, and α; its `out` is not used. Thread-safe.
void measure_q8_0(const KernelInput& input, std::span<const std::byte> blocks, DeltaSums& sums);

}  // namespace expo
