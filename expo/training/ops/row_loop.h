#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>

namespace expo {

/// Whether this code can loop over x's values; other tensors are left to PyTorch's operators.
inline bool can_loop(const at::Tensor& x) {
  return x.is_cpu() && x.scalar_type() == at::kFloat;
}

/// Calls body(first, last) for parts of `rows` rows of `width` values each, on PyTorch's threads,
/// several calls at once.
template <typename Body>
void for_rows(std::int64_t rows, std::int64_t width, const Body& body) {
  constexpr std::int64_t kValues = 1 << 14;  // enough work for a thread
  at::parallel_for(0, rows, std::max<std::int64_t>(1, kValues / width), body);
}

}  // namespace expo
