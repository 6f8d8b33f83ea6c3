#pragma once

#include <ATen/ATen.h>

#include "expo/matrix/kernels.h"
#include "expo/model/architecture.h"

namespace expo {

/// Applies the MLP's activation to x and returns a tensor of x's type. Differentiable.
at::Tensor activate(const at::Tensor& x, Activation activation);

/// The same activation as the kernels name it.
Gate gate_of(Activation activation);

}  // namespace expo
