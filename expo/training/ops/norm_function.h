#pragma once

#include <ATen/ATen.h>

namespace expo {

/// x/√(mean(x²) + epsilon) · (added + weight) over the last dimension: Zhang and Sennrich, "Root
/// Mean Square Layer Normalization", equation 4; `added` is 1 for Gemma's. In float32 and to
/// float32; differentiable in x and in `weight` ([x.size(-1)]). Of x no copy is kept for the way
/// back.
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double added, double epsilon);

}  // namespace expo
