#include "expo/extrapolation/diagnosis/value_health.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "expo/core/error.h"

namespace expo {
namespace {

// IEEE 754 magnitudes are ordered like unsigned integers, so one pass over the bits finds
// everything.
template <typename Bits, unsigned kMantissaBits>
struct Float {
  static constexpr unsigned kWidth = sizeof(Bits) * 8;
  static constexpr Bits kMagnitude = static_cast<Bits>(static_cast<Bits>(~Bits{0}) >> 1);
  static constexpr Bits kInfinity = static_cast<Bits>(kMagnitude >> kMantissaBits << kMantissaBits);

  struct Counts {
    std::uint64_t nan = 0;
    std::uint64_t infinite = 0;
    std::uint64_t zero = 0;
    Bits largest = 0;
  };

  static Counts count(const std::byte* values, std::size_t elements) {
    Counts counts;
    for (std::size_t i = 0; i < elements; ++i) {
      Bits bits;
      std::memcpy(&bits, values + i * sizeof bits, sizeof bits);
      const Bits magnitude = bits & kMagnitude;
      counts.nan += magnitude > kInfinity;
      counts.infinite += magnitude == kInfinity;
      counts.zero += magnitude == 0;
      const Bits finite = magnitude < kInfinity ? magnitude : Bits{0};
      counts.largest = std::max(counts.largest, finite);
    }
    return counts;
  }
};

double decode(std::uint16_t bits, DType dtype) {
  if (dtype == DType::bf16) {
    const std::uint32_t wide = std::uint32_t{bits} << 16;
    float value;
    std::memcpy(&value, &wide, sizeof value);
    return value;
  }
  const int exponent = bits >> 10;
  const double mantissa = bits & 0x3ff;
  return exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(mantissa + 1024, exponent - 25);
}

double decode(std::uint32_t bits, DType) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

double decode(std::uint64_t bits, DType) {
  double value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

template <typename Format>
ValueHealth examine(std::span<const std::byte> bytes, DType dtype) {
  const std::size_t elements = bytes.size() / byte_width(dtype);
  const auto counts = Format::count(bytes.data(), elements);
  ValueHealth health;
  health.elements = elements;
  health.nan = counts.nan;
  health.infinite = counts.infinite;
  health.zero = counts.zero;
  health.largest = decode(counts.largest, dtype);
  return health;
}

std::uint64_t count_constant_rows(std::span<const std::byte> bytes, std::size_t width,
                                  std::size_t row) {
  const std::size_t row_bytes = row * width;
  std::uint64_t constant = 0;
  for (std::size_t start = 0; start + row_bytes <= bytes.size(); start += row_bytes) {
    const std::byte* values = bytes.data() + start;
    constant += std::memcmp(values, values + width, row_bytes - width) == 0;
  }
  return constant;
}

ValueHealth examine_bits(std::span<const std::byte> bytes, DType dtype) {
  switch (dtype) {
    case DType::bf16:
      return examine<Float<std::uint16_t, 7>>(bytes, dtype);
    case DType::f16:
      return examine<Float<std::uint16_t, 10>>(bytes, dtype);
    case DType::f32:
      return examine<Float<std::uint32_t, 23>>(bytes, dtype);
    case DType::f64:
      return examine<Float<std::uint64_t, 52>>(bytes, dtype);
    default:
      throw usage_error(fmt::format("values of type {} cannot be examined for NaN and infinities",
                                    safetensors_name(dtype)));
  }
}

}  // namespace

ValueHealth& ValueHealth::operator+=(const ValueHealth& other) {
  elements += other.elements;
  nan += other.nan;
  infinite += other.infinite;
  zero += other.zero;
  constant_rows += other.constant_rows;
  largest = std::max(largest, other.largest);
  return *this;
}

ValueHealth examine_values(std::span<const std::byte> bytes, DType dtype, std::uint64_t row) {
  ValueHealth health = examine_bits(bytes, dtype);
  if (row >= 2) health.constant_rows = count_constant_rows(bytes, byte_width(dtype), row);
  return health;
}

std::string describe_damage(const ValueHealth& health) {
  if (health.all_zero()) return fmt::format("all {} values are zero", health.elements);
  std::string text;
  const auto add = [&](std::uint64_t count, std::string_view what) {
    if (count > 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, what);
  };
  add(health.nan, "NaN");
  add(health.infinite, "infinite");
  add(health.constant_rows, health.constant_rows == 1 ? "row of one value" : "rows of one value");
  return text;
}

}  // namespace expo
