#pragma once

#include <ATen/ATen.h>

namespace expo {

/// x/√(mean(x²) + epsilon) · (added + weight) over the last dimension: Zhang and Sennrich, "Root
/// Mean Square Layer Normalization", equation 4; `added` is 1 for Gemma. Input and output are
/// float32; differentiable in x and in `weight` ([x.size(-1)]). No copy of x is kept for the
/// backward pass.
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double added, double epsilon);

}  // namespace expo
