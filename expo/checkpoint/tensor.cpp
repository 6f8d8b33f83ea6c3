#include "expo/checkpoint/tensor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace expo {

DType main_dtype(const std::map<DType, std::uint64_t>& amounts) {
  DType main = DType::f32;
  std::uint64_t most = 0;
  for (const auto& [dtype, amount] : amounts) {
    if (!is_floating(dtype) || amount <= most) continue;
    main = dtype;
    most = amount;
  }
  return main;
}

std::string format_shape(const std::vector<std::uint64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

}  // namespace expo
