#include "expo/checkpoint/gguf/blocks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "expo/core/error.h"

namespace expo {
namespace {

constexpr std::uint16_t kHalfOne = 0x3C00;
constexpr std::uint16_t kHalfMinusHalf = 0xB800;

std::vector<std::byte> block(std::initializer_list<std::uint16_t> halves,
                             const std::vector<unsigned>& rest) {
  std::vector<std::byte> bytes;
  for (const std::uint16_t half : halves) {
    bytes.push_back(static_cast<std::byte>(half & 255U));
    bytes.push_back(static_cast<std::byte>(half >> 8U));
  }
  for (const unsigned value : rest) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

std::vector<float> values_of(std::uint32_t id, const std::vector<std::byte>& blocks,
                             std::uint64_t skip, std::size_t count) {
  std::vector<float> values(count);
  dequantise(*ggml_format(id), blocks, skip, values);
  return values;
}

std::vector<std::byte> quantised(const std::vector<float>& values) {
  std::vector<std::byte> blocks(values.size() / 32 * 34);
  quantise_q8_0(values, blocks);
  return blocks;
}

std::vector<int> quants(const std::vector<std::byte>& q8_0) {
  std::vector<int> result;
  for (std::size_t i = 2; i < 34; ++i)
    result.push_back(static_cast<std::int8_t>(std::to_integer<unsigned>(q8_0[i])));
  return result;
}

TEST(GgmlFormat, KnowsWhatCanBeReadAndWhatHasANameOnly) {
  EXPECT_EQ(ggml_format(3)->name, "Q4_1");
  EXPECT_TRUE(ggml_format(3)->readable());
  EXPECT_EQ(ggml_format(30)->plain, DType::bf16);
  EXPECT_EQ(ggml_format(12)->name, "Q4_K");
  EXPECT_FALSE(ggml_format(12)->readable());
  EXPECT_FALSE(ggml_format(4).has_value());
  EXPECT_FALSE(ggml_format(1000).has_value());
  EXPECT_EQ(ggml_format_of(DType::f16)->id, 1U);
  EXPECT_FALSE(ggml_format_of(DType::u8).has_value());
}

TEST(Dequantise, FollowsTheLayoutOfEachFormat) {
  std::vector<unsigned> nibbles(16);
  for (unsigned i = 0; i < 16; ++i) nibbles[i] = i | (15 - i) << 4;
  const auto q4_0 = values_of(2, block({kHalfMinusHalf}, nibbles), 0, 32);
  const auto q4_1 = values_of(3, block({kHalfMinusHalf, kHalfOne}, nibbles), 0, 32);
  std::vector<unsigned> bytes(32);
  for (unsigned i = 0; i < 32; ++i) bytes[i] = (i * 8 - 128) & 255U;
  const auto q8_0 = values_of(8, block({kHalfMinusHalf}, bytes), 0, 32);
  for (int i = 0; i < 32; ++i) {
    const int nibble = i < 16 ? i : 15 - (i - 16);
    EXPECT_EQ(q4_0[static_cast<std::size_t>(i)], -0.5F * static_cast<float>(nibble - 8));
    EXPECT_EQ(q4_1[static_cast<std::size_t>(i)], -0.5F * static_cast<float>(nibble) + 1);
    EXPECT_EQ(q8_0[static_cast<std::size_t>(i)], -0.5F * static_cast<float>(i * 8 - 128));
  }
}

TEST(Dequantise, AnyRangeIsThatPartOfTheWhole) {
  std::mt19937 random(7);
  for (const std::uint32_t id : {2U, 3U, 8U}) {
    const GgmlFormat format = *ggml_format(id);
    std::vector<std::byte> blocks(5 * format.bytes);
    for (std::byte& byte : blocks) byte = static_cast<std::byte>(random() & 0x3FU);
    const std::vector<float> whole = values_of(id, blocks, 0, 160);
    for (std::uint64_t skip = 0; skip < 160; skip += 3) {
      for (std::size_t count = 0; count <= 160 - skip; count += 7) {
        const std::vector<float> part = values_of(id, blocks, skip, count);
        ASSERT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + static_cast<int>(skip)))
            << format.name << " from " << skip << ", " << count << " values";
      }
    }
  }
  EXPECT_THROW(values_of(0, std::vector<std::byte>(4), 0, 1), Error);
}

TEST(QuantiseQ8_0, RoundsHalvesAwayFromZero) {
  std::vector<float> values(32, 0);
  values[0] = 127;  // the scale is 1
  values[1] = 2.5F;
  values[2] = -2.5F;
  values[3] = 0.5F;
  values[4] = -0.5F;
  values[5] = 0.49999997F;
  values[6] = -126.5F;
  values[7] = 3.4999998F;
  const auto blocks = quantised(values);
  EXPECT_EQ(std::to_integer<unsigned>(blocks[0]) | std::to_integer<unsigned>(blocks[1]) << 8U,
            kHalfOne);
  const auto got = quants(blocks);
  EXPECT_EQ(std::vector<int>(got.begin(), got.begin() + 8),
            (std::vector<int>{127, 3, -3, 1, -1, 0, -127, 3}));
}

TEST(QuantiseQ8_0, ZerosAndVanishingScalesGiveZeros) {
  EXPECT_EQ(quantised(std::vector<float>(32, 0.0F)), std::vector<std::byte>(34));
  std::vector<float> tiny(32, std::numeric_limits<float>::denorm_min());
  EXPECT_EQ(quantised(tiny), std::vector<std::byte>(34));
  for (const float value : values_of(8, quantised(std::vector<float>(32, 1e-30F)), 0, 32))
    EXPECT_EQ(value, 0.0F);  // the scale is below the smallest half
}

TEST(QuantiseQ8_0, ABlockWithoutAScaleReadsAsNotANumber) {
  for (const float bad :
       {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
        std::numeric_limits<float>::quiet_NaN()}) {
    std::vector<float> values(64, 1.0F);
    values[5] = bad;
    const auto read = values_of(8, quantised(values), 0, 64);
    for (std::size_t i = 0; i < 32; ++i) EXPECT_TRUE(std::isnan(read[i]));
    for (std::size_t i = 32; i < 64; ++i) EXPECT_NEAR(read[i], 1.0F, 1e-3F);
  }
}

TEST(QuantiseQ8_0, TakesWholeBlocksOnly) {
  std::vector<float> values(33);
  std::vector<std::byte> blocks(34);
  EXPECT_THROW(quantise_q8_0(values, blocks), Error);
  values.resize(64);
  EXPECT_THROW(quantise_q8_0(values, blocks), Error);
}

}  // namespace
}  // namespace expo
