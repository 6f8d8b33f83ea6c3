#pragma once

#include <ATen/ATen.h>

#include <optional>

namespace expo {

/// A linear map whose float32 weight is given as two bfloat16 numbers, so that training steps that
/// are smaller than bfloat16's spacing show in its result: x·(hi + lo)ᵀ + bias, summed in float32
/// within one product and rounded once. `pair` is [out, 2·in], each row hi, then lo; `hi` is the
/// left half, the leaf that gets the gradient. Backwards x's gradient is taken by hi alone.
at::Tensor split_linear(const at::Tensor& x, const at::Tensor& hi, const at::Tensor& pair,
                        const std::optional<at::Tensor>& bias);

/// Sets `pair` from float32 values [out, in].
void split_values(const at::Tensor& values, const at::Tensor& pair);

}  // namespace expo
