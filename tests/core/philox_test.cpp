#include "expo/core/philox.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <set>

namespace expo {
namespace {

using Counter = std::array<std::uint32_t, 4>;

// Random123's published known-answer vectors (kat_vectors, "philox4x32 10").
TEST(Philox, GivesThePublishedAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (Counter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (Counter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Counter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomStream, LaysOutCounterAndKeyAsDocumented) {
  const RandomStream stream(0x299f31d0a4093822, 0x0370734413198a2e);
  EXPECT_EQ(stream.block(0x85a308d3243f6a88),
            (Counter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomStream, StreamsAndSeedsDiffer) {
  std::set<Counter> blocks;
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    for (std::uint64_t stream = 0; stream < 8; ++stream) {
      for (std::uint64_t index = 0; index < 8; ++index) {
        blocks.insert(RandomStream(seed, stream).block(index));
      }
    }
  }
  EXPECT_EQ(blocks.size(), 512u);
}

TEST(RandomStream, UnitIntervalIsUniform) {
  const std::uint64_t seed = 11;
  const RandomStream stream(seed, 0);
  // The first value by hand: words 0 and 1 of block 0, of which the second is the more significant.
  const Counter first = stream.block(0);
  const std::uint64_t bits = std::uint64_t{first[1]} << 32 | first[0];
  EXPECT_EQ(stream.unit_interval(0), static_cast<double>(bits >> 11) / 9007199254740992.0);
  constexpr int kBins = 64;
  constexpr int kDraws = 64 * 4096;
  std::array<int, kBins> counts{};
  for (std::uint64_t i = 0; i < kDraws; ++i) {
    const double u = stream.unit_interval(i);
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    ++counts[static_cast<std::size_t>(u * kBins)];
  }
  double chi_square = 0;
  for (const int count : counts) {
    const double expected = double{kDraws} / kBins;
    chi_square += (count - expected) * (count - expected) / expected;
  }
  // With 63 degrees of freedom, fewer than one seed in a thousand is outside of 30 to 110.
  EXPECT_GT(chi_square, 30) << "seed " << seed;
  EXPECT_LT(chi_square, 110) << "seed " << seed;
}

TEST(RandomStream, NormalPairsAreIndependentStandardNormals) {
  const std::uint64_t seed = 5;
  const RandomStream stream(seed, 3);
  constexpr int kDraws = 100'000;
  double first = 0, second = 0, squares = 0, products = 0, fourths = 0;
  for (std::uint64_t i = 0; i < kDraws; ++i) {
    const auto [a, b] = stream.normal_pair(i);
    first += a / kDraws;
    second += b / kDraws;
    squares += (a * a + b * b) / (2 * kDraws);
    fourths += (a * a * a * a + b * b * b * b) / (2 * kDraws);
    products += a * b / kDraws;
  }
  // Five standard errors; the fourth moment of a normal value is 3.
  EXPECT_NEAR(first, 0, 0.016) << "seed " << seed;
  EXPECT_NEAR(second, 0, 0.016) << "seed " << seed;
  EXPECT_NEAR(squares, 1, 0.016) << "seed " << seed;
  EXPECT_NEAR(products, 0, 0.016) << "seed " << seed;
  EXPECT_NEAR(fourths, 3, 0.11) << "seed " << seed;
}

}  // namespace
}  // namespace expo
