#pragma once

#include <ATen/ATen.h>

#include <cstdint>

namespace expo {

/// How float values lie among the bfloat16 numbers.
struct Bf16Fit {
  std::uint64_t values = 0;
  std::uint64_t between = 0;  ///< those that bfloat16 does not represent
  std::uint64_t ties = 0;  ///< of these, those that lie exactly half-way between two of its numbers

  Bf16Fit& operator+=(const Bf16Fit& other);
};

/// `values` are in ordinary memory, of a floating-point type; float64 counts as it rounds to
/// float32.
Bf16Fit measure_bf16_fit(const at::Tensor& values);

}  // namespace expo
