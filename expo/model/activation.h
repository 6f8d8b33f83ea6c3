#pragma once

#include <ATen/ATen.h>

#include "expo/matrix/kernels.h"
#include "expo/model/architecture.h"

namespace expo {

/// The MLP's activation of x, in x's type; it can be differentiated.
at::Tensor activate(const at::Tensor& x, Activation activation);

/// The kernels' name for it.
Gate gate_of(Activation activation);

}  // namespace expo
