#pragma once

#include <cstdint>
#include <string>

#include "expo/extrapolation/kernel/equation_2.h"

namespace expo {

/// The weight change of one tensor, at the α that its sums were taken at.
struct TensorDelta {
  std::string name;
  std::uint64_t elements = 0;
  DeltaSums sums;
  double alpha = 0;
};

}  // namespace expo
