#pragma once

#include <ATen/ATen.h>

#include "expo/core/philox.h"

namespace expo {

/// Inverted dropout (Srivastava et al., 2014): an element of x becomes zero with probability p, and
/// is divided by 1 − p otherwise. Which elements are dropped depends only on the draws and the
/// elements' positions, not on the number of threads or the device. 0 ≤ p < 1; differentiable in x.
at::Tensor dropout(const at::Tensor& x, double p, const RandomStream& draws);

}  // namespace expo
