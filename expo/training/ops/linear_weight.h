#pragma once

#include <ATen/ATen.h>

namespace expo {

/// A matrix [out, in] as the passes take it.
struct LinearWeight {
  at::Tensor value;  ///< float32, or bfloat16 of a frozen one
  /// bfloat16 [out, 2·in], each row `value` rounded and then what that leaves; undefined: products
  /// are taken with `value`.
  at::Tensor pair;
  at::Tensor gradient;  ///< float32, which backward passes add to; undefined: frozen

  /// The value in the products' type: bfloat16 where there is a pair.
  at::Tensor rounded() const { return pair.defined() ? pair.narrow(1, 0, value.size(1)) : value; }
};

/// x·valueᵀ for float32 x [tokens, in], in float32, differentiable. With bfloat16 products x too is
/// taken as two numbers, so that the result is right to some sixteen bits: what a training step
/// changes, which is less than bfloat16's spacing, shows. Backwards each factor is rounded once.
/// `weight` is copied as far as it is needed.
at::Tensor linear(const at::Tensor& x, const LinearWeight& weight);

/// Sets `pair` from float32 values [out, in].
void split_values(const at::Tensor& values, const at::Tensor& pair);

}  // namespace expo
