#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>

namespace expo {

/// Whether x's values can be gone through here. What cannot is left to PyTorch's operators.
inline bool can_loop(const at::Tensor& x) {
  return x.is_cpu() && x.scalar_type() == at::kFloat;
}

/// body(first, last) for parts of `rows` rows of `width` values each, on PyTorch's threads, several
/// at once.
template <typename Body>
void for_rows(std::int64_t rows, std::int64_t width, const Body& body) {
  constexpr std::int64_t kValues = 1 << 14;  // worth a thread
  at::parallel_for(0, rows, std::max<std::int64_t>(1, kValues / width), body);
}

}  // namespace expo
