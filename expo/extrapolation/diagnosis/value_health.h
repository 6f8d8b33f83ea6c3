#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "expo/core/dtype.h"

namespace expo {

/// What is odd among the values of a tensor, or of a run of it.
struct ValueHealth {
  std::uint64_t elements = 0;
  std::uint64_t nan = 0;
  std::uint64_t infinite = 0;
  std::uint64_t zero = 0;           ///< of either sign
  std::uint64_t constant_rows = 0;  ///< rows of at least two values that are all the same
  double largest = 0;               ///< the greatest finite magnitude

  ValueHealth& operator+=(const ValueHealth& other);
  bool all_zero() const { return elements > 0 && zero == elements; }
};

/// Counts over `bytes`, whole elements of f16, bf16, f32 or f64 at any alignment; Error(usage) for
/// other types. `row` is the length of a row in elements, the run being whole rows; 0 leaves rows
/// alone.
ValueHealth examine_values(std::span<const std::byte> bytes, DType dtype, std::uint64_t row);

/// "3 NaN, 1 infinite", "all 4096 values are zero", "2 rows of one value"; empty where there is
/// nothing to say. NaN and infinities are damage; the other two may be meant (padding).
std::string describe_damage(const ValueHealth& health);

}  // namespace expo
