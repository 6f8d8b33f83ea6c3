#pragma once

#include <ATen/ATen.h>

#include "expo/model/architecture.h"

namespace expo {

/// activation(x)·y for `both`, float32 [tokens, 2·width] of x and y side by side: Shazeer, "GLU
/// Variants Improve Transformer". The result is [tokens, width], differentiable in `both`, which is
/// all that is kept for the way back.
at::Tensor gated(const at::Tensor& both, Activation activation);

}  // namespace expo
