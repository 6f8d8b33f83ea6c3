#pragma once

#include <ATen/ATen.h>

#include "expo/model/architecture.h"

namespace expo {

/// activation(x)·y, where `both` is float32 [tokens, 2·width] with x and y side by side (Shazeer,
/// "GLU Variants Improve Transformer"). The result is [tokens, width], differentiable in `both`,
/// which is all that is kept for the backward pass.
at::Tensor gated(const at::Tensor& both, Activation activation);

}  // namespace expo
