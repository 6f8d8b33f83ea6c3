#include "expo/core/float_formats.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>

namespace expo {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// A 16-bit format as it is defined, and the functions under test.
struct Narrow {
  const char* name;
  int exponent_bits;
  int fraction_bits;
  double (*widen)(std::uint16_t) noexcept;
  std::uint16_t (*nearest)(double) noexcept;
  std::uint16_t (*stochastic)(double, std::uint32_t) noexcept;

  unsigned infinity() const { return ((1u << exponent_bits) - 1) << fraction_bits; }
  int bias() const { return (1 << (exponent_bits - 1)) - 1; }
  /// The value of a positive finite code; for infinity it is the next step up, as rounding treats
  /// it.
  double value(unsigned code) const {
    const int exponent = static_cast<int>(code >> fraction_bits);
    const unsigned fraction = code & ((1u << fraction_bits) - 1);
    if (exponent == 0) return std::ldexp(fraction, 1 - bias() - fraction_bits);
    return std::ldexp(fraction + (1u << fraction_bits), exponent - bias() - fraction_bits);
  }
};

const Narrow kFormats[] = {
    {"bf16", 8, 7, bf16_to_double, double_to_bf16, double_to_bf16_stochastic},
    {"f16", 5, 10, f16_to_double, double_to_f16, double_to_f16_stochastic},
};

class SixteenBits : public testing::TestWithParam<Narrow> {};
INSTANTIATE_TEST_SUITE_P(Formats, SixteenBits, testing::ValuesIn(kFormats),
                         [](const auto& test) { return test.param.name; });

TEST_P(SixteenBits, EveryCodeWidensToItsValueAndBack) {
  const Narrow format = GetParam();
  for (unsigned code = 0; code < format.infinity(); ++code) {
    const auto positive = static_cast<std::uint16_t>(code);
    const auto negative = static_cast<std::uint16_t>(code | 0x8000);
    ASSERT_EQ(format.widen(positive), format.value(code)) << code;
    ASSERT_EQ(format.widen(negative), -format.value(code)) << code;
    ASSERT_TRUE(std::signbit(format.widen(negative)));
    ASSERT_EQ(format.nearest(format.widen(positive)), positive);
    ASSERT_EQ(format.nearest(format.widen(negative)), negative);
  }
  const auto infinity = static_cast<std::uint16_t>(format.infinity());
  EXPECT_EQ(format.widen(infinity), kInfinity);
  EXPECT_EQ(format.nearest(kInfinity), infinity);
  EXPECT_EQ(format.nearest(-kInfinity), infinity | 0x8000);
}

TEST_P(SixteenBits, NaNsStayNaNsAndBecomeQuiet) {
  const Narrow format = GetParam();
  const unsigned quiet = 1u << (format.fraction_bits - 1);
  for (unsigned code = format.infinity() + 1; code < 0x8000; ++code) {
    for (const unsigned sign : {0u, 0x8000u}) {
      const double wide = format.widen(static_cast<std::uint16_t>(code | sign));
      ASSERT_TRUE(std::isnan(wide)) << code;
      ASSERT_EQ(format.nearest(wide), code | sign | quiet);
      ASSERT_EQ(format.stochastic(wide, 0xffffffff), code | sign | quiet);
    }
  }
  for (const std::uint64_t bits : {0x7ff0000000000001u, 0x7fffffffffffffffu, 0xfff0000000000001u}) {
    const unsigned code = format.nearest(std::bit_cast<double>(bits));
    EXPECT_GT(code & 0x7fff, format.infinity());
    EXPECT_EQ((code & 0x8000) != 0, bits >> 63 != 0);
  }
}

TEST_P(SixteenBits, BetweenNeighboursTheNearerWinsAndTiesGoToEven) {
  const Narrow format = GetParam();
  for (unsigned code = 0; code < format.infinity(); ++code) {
    const double middle = (format.value(code) + format.value(code + 1)) / 2;
    const unsigned even = code + (code & 1);
    ASSERT_EQ(format.nearest(middle), even) << code;
    ASSERT_EQ(format.nearest(-middle), even | 0x8000) << code;
    // A float64 close to the midpoint; rounded to float32 first, it would become the midpoint.
    ASSERT_EQ(format.nearest(std::nextafter(middle, 0.0)), code) << code;
    ASSERT_EQ(format.nearest(std::nextafter(middle, kInfinity)), code + 1) << code;
  }
}

TEST_P(SixteenBits, ExtremesOfFloat64) {
  const Narrow format = GetParam();
  EXPECT_EQ(format.nearest(0.0), 0);
  EXPECT_EQ(format.nearest(-0.0), 0x8000);
  for (const double tiny : {std::numeric_limits<double>::denorm_min(), 0x1p-1022, 0x1p-300}) {
    EXPECT_EQ(format.nearest(tiny), 0);
    EXPECT_EQ(format.nearest(-tiny), 0x8000);
    EXPECT_EQ(format.stochastic(-tiny, 0xffffffff), 0x8000);
  }
  for (const double huge : {1e39, 0x1p200, std::numeric_limits<double>::max()}) {
    EXPECT_EQ(format.nearest(huge), format.infinity());
    EXPECT_EQ(format.nearest(-huge), format.infinity() | 0x8000);
  }
}

TEST_P(SixteenBits, StochasticLeavesRepresentableValuesAlone) {
  const Narrow format = GetParam();
  for (unsigned code = 0; code <= format.infinity(); ++code) {
    for (const unsigned sign : {0u, 0x8000u}) {
      const auto bits = static_cast<std::uint16_t>(code | sign);
      ASSERT_EQ(format.stochastic(format.widen(bits), 0), bits);
      ASSERT_EQ(format.stochastic(format.widen(bits), 0xffffffff), bits);
    }
  }
}

TEST_P(SixteenBits, StochasticGoesUpForExactlyItsShareOfTheDraws) {
  const Narrow format = GetParam();
  const unsigned seed = 7;
  std::mt19937_64 random(seed);
  for (unsigned code = 0; code + 1 < format.infinity(); ++code) {
    const double lower = format.value(code);
    const double spacing = format.value(code + 1) - lower;
    const auto share = static_cast<std::uint32_t>(random() | 1);  // number out of 2^32 draws
    const double value = lower + std::ldexp(spacing, -32) * share;
    const auto first_up = static_cast<std::uint32_t>(-share);  // 2^32 - share
    ASSERT_EQ(format.stochastic(value, first_up), code + 1) << code << ' ' << share;
    ASSERT_EQ(format.stochastic(value, first_up - 1), code) << code << ' ' << share;
    ASSERT_EQ(format.stochastic(value, 0xffffffff), code + 1) << code << ' ' << share;
    ASSERT_EQ(format.stochastic(-value, first_up), (code + 1) | 0x8000);
    ASSERT_EQ(format.stochastic(-value, first_up - 1), code | 0x8000);
  }
}

TEST_P(SixteenBits, StochasticBeyondTheLargestIsNearest) {
  const Narrow format = GetParam();
  const unsigned infinity = format.infinity();
  const double largest = format.value(infinity - 1);
  const double threshold = (largest + format.value(infinity)) / 2;
  for (const std::uint32_t draw : {0u, 0x80000000u, 0xffffffffu}) {
    EXPECT_EQ(format.stochastic(std::nextafter(threshold, 0.0), draw), infinity - 1);
    EXPECT_EQ(format.stochastic(threshold, draw), infinity);
    EXPECT_EQ(format.stochastic(-1e300, draw), infinity | 0x8000);
    EXPECT_EQ(format.stochastic(kInfinity, draw), infinity);
  }
}

float narrowed(double value) {
  return std::bit_cast<float>(double_to_f32(value));
}

TEST(Float32, NearestEqualsTheProcessor) {
  const unsigned seed = 20240229;
  std::mt19937_64 random(seed);
  for (int i = 0; i < 2'000'000; ++i) {
    std::uint64_t bits = random();
    if (i % 2 == 0) {  // half of the values have an exponent near float32's range
      bits = (bits & 0x800fffffffffffffu) | (1023 - 155 + random() % 290) << 52;
    }
    if (i % 4 == 0) bits &= ~std::uint64_t{0x0fffffff};  // ties
    const double value = std::bit_cast<double>(bits);
    const float expected = static_cast<float>(value);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(narrowed(value)));
    } else {
      ASSERT_EQ(double_to_f32(value), std::bit_cast<std::uint32_t>(expected)) << std::hex << bits;
      ASSERT_EQ(f32_to_double(double_to_f32(value)), double{expected}) << std::hex << bits;
    }
  }
}

TEST(Float32, StochasticSharesIncludingSubnormals) {
  for (const int exponent : {-149, -140, -127, -126, 0, 100, 103}) {
    const double spacing = std::ldexp(1.0, std::max(exponent - 23, -149));
    const double lower = std::ldexp(1.0, exponent);
    for (const std::uint32_t eighths : {1u, 3u, 7u}) {
      const double value = lower + spacing * eighths / 8;
      const std::uint32_t first_up = (8 - eighths) << 29;
      EXPECT_EQ(f32_to_double(double_to_f32_stochastic(value, first_up)), lower + spacing);
      EXPECT_EQ(f32_to_double(double_to_f32_stochastic(value, first_up - 1)), lower);
      EXPECT_EQ(f32_to_double(double_to_f32_stochastic(-value, first_up)), -lower - spacing);
    }
    EXPECT_EQ(f32_to_double(double_to_f32_stochastic(lower, 0xffffffff)), lower);
  }
  EXPECT_EQ(double_to_f32_stochastic(0x1p-152, 0xe0000000), 1u);  // an eighth of the smallest
  EXPECT_EQ(double_to_f32_stochastic(0x1p-152, 0xdfffffff), 0u);
  EXPECT_EQ(double_to_f32_stochastic(0x1.ffffffp127, 0), 0x7f800000u);
  EXPECT_EQ(double_to_f32_stochastic(0x1.fffffefp127, 0xffffffff), 0x7f7fffffu);
}

}  // namespace
}  // namespace expo
