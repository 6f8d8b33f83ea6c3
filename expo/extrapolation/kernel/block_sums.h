#pragma once

#include <cstddef>
#include <span>

#include "expo/extrapolation/kernel/equation_2.h"

namespace expo {

/// Measures what Q8_0 blocks keep of an extrapolation. `sums` must hold the sums over the float32
/// values before quantisation; this replaces `lost` (counting elements whose value in the blocks is
/// that of θ quantised) and `applied_dot_delta` by those of the values in the blocks. `input`
/// describes the θ of the whole blocks, the θ_sft of the first `input.count` of their elements, and
/// α; its `out` is not used. Thread-safe.
void measure_q8_0(const KernelInput& input, std::span<const std::byte> blocks, DeltaSums& sums);

}  // namespace expo
