#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "expo/checkpoint/checkpoint.h"
#include "expo/extrapolation/kernel/tensor_delta.h"
#include "expo/extrapolation/plan/rounding_choice.h"

namespace expo {

/// Warnings that need the finished sums: an effective α that is not the one asked for
/// (keeps_alpha(), including α = 0), checkpoints that do not differ, weights that are not finite.
/// `quantised` says that matrices were written as Q8_0 blocks; `exact` is the option that would
/// keep all of α.
std::vector<std::string> delta_warnings(
    const std::vector<TensorDelta>& deltas, Rounding rounding, bool quantised = false,
    std::string_view exact = "--out-dtype float32 (if it is also served in float32)");

/// Warns that Δ contains quantisation noise if a checkpoint is quantised.
std::vector<std::string> quantisation_warnings(const Checkpoint& checkpoint);

}  // namespace expo
