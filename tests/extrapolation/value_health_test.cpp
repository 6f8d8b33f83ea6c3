#include "expo/extrapolation/diagnosis/value_health.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <vector>

#include "expo/core/error.h"

namespace expo {
namespace {

template <typename Value>
std::span<const std::byte> bytes_of(const std::vector<Value>& values) {
  return std::as_bytes(std::span(values));
}

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

TEST(ValueHealth, CountsWhatIsOddInFloat32AndFloat64) {
  const std::vector<double> doubles{1, -2.5, 0, -0.0, kNaN, kInfinity, -kInfinity, -kNaN, 5e-324};
  const std::vector<float> floats(doubles.begin(), doubles.end());  // the last one becomes zero
  const ValueHealth wide = examine_values(bytes_of(doubles), DType::f64, 0);
  const ValueHealth narrow = examine_values(bytes_of(floats), DType::f32, 0);
  for (const ValueHealth& health : {wide, narrow}) {
    EXPECT_EQ(health.elements, 9u);
    EXPECT_EQ(health.nan, 2u);
    EXPECT_EQ(health.infinite, 2u);
    EXPECT_EQ(health.largest, 2.5);
    EXPECT_EQ(health.constant_rows, 0u);
  }
  EXPECT_EQ(wide.zero, 2u);
  EXPECT_EQ(narrow.zero, 3u);
}

TEST(ValueHealth, CountsWhatIsOddInHalfTypes) {
  // bf16: 1, NaN, infinity, -infinity, -0, -3, a NaN whose only set bit would be lost in a shift
  const std::vector<std::uint16_t> bf16{0x3f80, 0x7fc0, 0x7f80, 0xff80, 0x8000, 0xc040, 0xff81};
  ValueHealth health = examine_values(bytes_of(bf16), DType::bf16, 0);
  EXPECT_EQ(health.nan, 2u);
  EXPECT_EQ(health.infinite, 2u);
  EXPECT_EQ(health.zero, 1u);
  EXPECT_EQ(health.largest, 3.0);
  // f16: the same bits mean 1.875, NaN, NaN, NaN, -0, -2.125, NaN; then 2^-24 and infinity
  std::vector<std::uint16_t> f16 = bf16;
  f16.insert(f16.end(), {0x0001, 0x7c00});
  health = examine_values(bytes_of(f16), DType::f16, 0);
  EXPECT_EQ(health.nan, 4u);
  EXPECT_EQ(health.infinite, 1u);
  EXPECT_EQ(health.largest, 2.125);
  EXPECT_EQ(examine_values(bytes_of(std::vector<std::uint16_t>{0x7bff}), DType::f16, 0).largest,
            65504.0);
  EXPECT_EQ(examine_values(bytes_of(std::vector<std::uint16_t>{0x8001}), DType::f16, 0).largest,
            0x1p-24);
}

TEST(ValueHealth, FindsRowsOfOneValue) {
  const std::vector<float> values{0, 0, 0, 1, 1, 2, 7, 7, 7, 1, 2, 1};
  EXPECT_EQ(examine_values(bytes_of(values), DType::f32, 3).constant_rows, 2u);
  EXPECT_EQ(examine_values(bytes_of(values), DType::f32, 1).constant_rows, 0u);
  EXPECT_EQ(examine_values(bytes_of(values), DType::f32, 0).constant_rows, 0u);
  EXPECT_EQ(examine_values({}, DType::f32, 3).constant_rows, 0u);
}

TEST(ValueHealth, DoesNotNeedAlignment) {
  std::vector<std::byte> bytes(1 + 2 * sizeof(double));
  const double values[2] = {-4, kNaN};
  std::memcpy(bytes.data() + 1, values, sizeof values);
  const ValueHealth health = examine_values(std::span(bytes).subspan(1), DType::f64, 0);
  EXPECT_EQ(health.nan, 1u);
  EXPECT_EQ(health.largest, 4.0);
}

TEST(ValueHealth, AddsUp) {
  ValueHealth sum = examine_values(bytes_of(std::vector<float>{0, 0}), DType::f32, 2);
  EXPECT_TRUE(sum.all_zero());
  sum += examine_values(bytes_of(std::vector<float>{-3, static_cast<float>(kNaN)}), DType::f32, 2);
  EXPECT_EQ(sum.elements, 4u);
  EXPECT_EQ(sum.zero, 2u);
  EXPECT_EQ(sum.largest, 3.0);
  EXPECT_FALSE(sum.all_zero());
  EXPECT_EQ(describe_damage(sum), "1 NaN, 1 row of one value");
}

TEST(ValueHealth, SaysNothingOfSoundValues) {
  EXPECT_EQ(describe_damage(examine_values(bytes_of(std::vector<float>{1, 0, 2}), DType::f32, 3)),
            "");
  EXPECT_EQ(describe_damage({}), "");
  EXPECT_EQ(describe_damage(examine_values(bytes_of(std::vector<float>{0, 0}), DType::f32, 0)),
            "all 2 values are zero");
}

TEST(ValueHealth, RefusesTypesWithoutArithmetic) {
  const std::vector<std::uint8_t> bytes(8);
  EXPECT_THROW(examine_values(bytes_of(bytes), DType::f8_e4m3, 0), Error);
  EXPECT_THROW(examine_values(bytes_of(bytes), DType::i32, 0), Error);
}

}  // namespace
}  // namespace expo
