#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "expo/checkpoint/checkpoint.h"
#include "expo/extrapolation/kernel/tensor_delta.h"
#include "expo/extrapolation/plan/rounding_choice.h"

namespace expo {

/// Warnings that only the finished sums allow: an effective α that is not the one that was asked
/// for (keeps_alpha(), α = 0 included), checkpoints that do not differ, weights that are not
/// finite. `quantised`: matrices were written as Q8_0 blocks. `exact` is the option that would keep
/// all of α.
std::vector<std::string> delta_warnings(
    const std::vector<TensorDelta>& deltas, Rounding rounding, bool quantised = false,
    std::string_view exact = "--out-dtype float32 (if it is also served in float32)");

/// That Δ holds quantisation noise, where a checkpoint is quantised.
std::vector<std::string> quantisation_warnings(const Checkpoint& checkpoint);

}  // namespace expo
