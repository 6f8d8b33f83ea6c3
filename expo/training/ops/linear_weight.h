#pragma once

#include <ATen/ATen.h>

namespace expo {

/// A matrix [out, in] as the forward and backward passes read it.
struct LinearWeight {
  at::Tensor value;  ///< float32, or bfloat16 for a frozen matrix
  /// bfloat16 [out, 2·in]: each row holds `value` rounded, and then the rounded remainder. If
  /// undefined, products are computed with `value`.
  at::Tensor pair;
  at::Tensor gradient;  ///< float32, which backward passes add to; undefined if frozen

  /// The value in the products' type: bfloat16 if there is a pair.
  at::Tensor rounded() const { return pair.defined() ? pair.narrow(1, 0, value.size(1)) : value; }
};

/// x·valueᵀ for float32 x [tokens, in], in float32, differentiable. If the products are in
/// bfloat16, x is split into two numbers as well, so that the result is accurate to some sixteen
/// bits: the change made by a training step, which is smaller than bfloat16's spacing, takes
/// effect. The backward pass rounds each factor once. `weight` is copied as far as needed.
at::Tensor linear(const at::Tensor& x, const LinearWeight& weight);

/// Sets `pair` from float32 values [out, in].
void split_values(const at::Tensor& values, const at::Tensor& pair);

}  // namespace expo
