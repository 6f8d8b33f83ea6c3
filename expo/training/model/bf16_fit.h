#pragma once

#include <ATen/ATen.h>

#include <cstdint>

namespace expo {

/// How floating-point values fit the bfloat16 numbers.
struct Bf16Fit {
  std::uint64_t values = 0;
  std::uint64_t between = 0;  ///< values that bfloat16 does not represent
  std::uint64_t ties = 0;     ///< those of `between` exactly halfway between two bfloat16 numbers

  Bf16Fit& operator+=(const Bf16Fit& other);
};

/// Counts `values`, which are in CPU memory and of a floating-point type; float64 values are
/// rounded to float32 first.
Bf16Fit measure_bf16_fit(const at::Tensor& values);

}  // namespace expo
