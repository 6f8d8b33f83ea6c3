#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "expo/core/dtype.h"

namespace expo {

/// Odd values in a tensor, or in a part of it.
struct ValueHealth {
  std::uint64_t elements = 0;
  std::uint64_t nan = 0;
  std::uint64_t infinite = 0;
  std::uint64_t zero = 0;           ///< zeros of either sign
  std::uint64_t constant_rows = 0;  ///< rows of at least two values, all equal
  double largest = 0;               ///< the greatest finite magnitude

  ValueHealth& operator+=(const ValueHealth& other);
  bool all_zero() const { return elements > 0 && zero == elements; }
};

/// Counts odd values in `bytes`, whole elements of f16, bf16, f32 or f64 at any alignment; throws
/// Error(usage) for other types. `row` is the length of a row in elements, and `bytes` must then be
/// whole rows; 0 means that rows are not examined.
ValueHealth examine_values(std::span<const std::byte> bytes, DType dtype, std::uint64_t row);

/// Returns "3 NaN, 1 infinite", "all 4096 values are zero" or "2 rows of one value"; empty if
/// nothing is odd. NaN and infinities are damage; the other two may be intended (padding).
std::string describe_damage(const ValueHealth& health);

}  // namespace expo
