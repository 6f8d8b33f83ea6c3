#include "expo/extrapolation/diagnosis/ties.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "expo/core/error.h"
#include "expo/core/float_formats.h"

namespace expo {
namespace {

constexpr unsigned kSeed = 20250211;

/// By the number's two neighbours among the codes of a 16-bit type.
bool is_tie(double value, DType to) {
  const bool bf16 = to == DType::bf16;
  const std::uint16_t code = bf16 ? double_to_bf16(value) : double_to_f16(value);
  const auto number = [&](int step) {
    const auto other = static_cast<std::uint16_t>(code + step);
    return bf16 ? bf16_to_double(other) : f16_to_double(other);
  };
  if (!std::isfinite(value) || !std::isfinite(number(0)) || value == number(0)) return false;
  for (const int step : {-1, 1}) {
    // A step across zero changes the sign of the code, not of the number.
    if (std::isfinite(number(step)) && number(0) + number(step) == 2 * value) return true;
  }
  return false;
}

template <typename Value>
std::uint64_t count(const std::vector<Value>& values, DType from, DType to) {
  return count_ties(std::as_bytes(std::span(values)), from, to);
}

TEST(Ties, AreCountedAmongAllFloat16Numbers) {
  std::vector<std::uint16_t> all(65536);
  std::uint64_t expected = 0;
  for (unsigned code = 0; code < all.size(); ++code) {
    all[code] = static_cast<std::uint16_t>(code);
    expected += is_tie(f16_to_double(all[code]), DType::bf16);
  }
  EXPECT_GT(expected, 7000U);
  EXPECT_EQ(count(all, DType::f16, DType::bf16), expected);
}

TEST(Ties, AreCountedAmongFloat32NumbersOfEverySize) {
  RecordProperty("seed", static_cast<int>(kSeed));
  std::mt19937 random(kSeed);
  std::vector<float> values;
  std::vector<double> wide;
  for (unsigned i = 0; i < 60'000; ++i) {
    // Half of them on the middle between two numbers of one of the types, or just beside it.
    auto bits = static_cast<std::uint32_t>(random());
    const std::uint32_t nudge = (i % 3) - 1;
    if (i % 4 == 0) bits = (bits & 0xffff0000U) + 0x8000U + nudge;
    // Within float16's range: 2⁻¹⁵ to 2⁰.
    if (i % 4 == 2) bits = (bits & 0x87ffe000U) + (112U << 23) + 0x1000U + nudge;
    values.push_back(std::bit_cast<float>(bits));
    wide.push_back(values.back());
  }
  for (const DType to : {DType::bf16, DType::f16}) {
    std::uint64_t expected = 0;
    for (const double value : wide) expected += is_tie(value, to);
    EXPECT_GT(expected, 100U);
    EXPECT_EQ(count(values, DType::f32, to), expected);
    EXPECT_EQ(count(wide, DType::f64, to), expected);
  }
}

TEST(Ties, AreNeitherNumbersOfTheTypeNorBesideTheMiddle) {
  constexpr double kTie = 1 + 0x1p-8;  // between 1 and 1 + 2⁻⁷
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const std::vector<double> values{1,
                                   1 + 0x1p-7,
                                   std::nextafter(kTie, 0),
                                   std::nextafter(kTie, 2),
                                   kInfinity,
                                   -kInfinity,
                                   std::nan(""),
                                   0,
                                   std::numeric_limits<double>::max()};
  EXPECT_EQ(count(values, DType::f64, DType::bf16), 0U);
  EXPECT_EQ(count(std::vector<double>{kTie, -kTie, 1 - 0x1p-9, 0x1p-134}, DType::f64, DType::bf16),
            4U);
  EXPECT_EQ(count(std::vector<float>{1, 2}, DType::f32, DType::f32), 0U);
  EXPECT_THROW(count(std::vector<std::int64_t>{1}, DType::i64, DType::bf16), Error);
}

}  // namespace
}  // namespace expo
