#pragma once

#include <cstdint>
#include <string>

#include "expo/extrapolation/kernel/equation_2.h"

namespace expo {

/// The weight change of one tensor, and the α at which its sums were computed.
struct TensorDelta {
  std::string name;
  std::uint64_t elements = 0;
  DeltaSums sums;
  double alpha = 0;
};

}  // namespace expo
