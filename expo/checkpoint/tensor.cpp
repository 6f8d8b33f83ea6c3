#include "expo/checkpoint/tensor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace expo {

std::string format_shape(const std::vector<std::uint64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

}  // namespace expo
