#include "expo/training/data/row_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace expo {
namespace {

TEST(Shuffled, HoldsEveryNumberOnceInAnOrderOfTheSeedAndTheStream) {
  const auto order = shuffled(1000, 7, 0);
  EXPECT_EQ(std::set<std::int64_t>(order.begin(), order.end()).size(), 1000U);
  EXPECT_EQ(order, shuffled(1000, 7, 0));
  EXPECT_NE(order, shuffled(1000, 7, 1));
  EXPECT_NE(order, shuffled(1000, 8, 0));
}

/// Each number at each place equally often: χ² over 5 × 5 cells of 5000 draws, 16 degrees of
/// freedom; beyond 40 lies less than 1 in 1000 of the seeds, and these are fixed.
TEST(Shuffled, FavoursNoPlace) {
  double counts[5][5] = {};
  for (std::uint64_t seed = 0; seed < 5000; ++seed) {
    const auto order = shuffled(5, seed, 3);
    for (std::size_t place = 0; place < 5; ++place) counts[place][order[place]] += 1;
  }
  double chi_square = 0;
  for (const auto& row : counts) {
    for (const double count : row) chi_square += (count - 1000) * (count - 1000) / 1000;
  }
  EXPECT_LT(chi_square, 40);
}

TEST(RowsOfFraction, NestsSmallerInLarger) {
  const auto tenth = rows_of_fraction(1000, 0.1, 42);
  const auto fifth = rows_of_fraction(1000, 0.2, 42);
  EXPECT_EQ(tenth.size(), 100U);
  EXPECT_EQ(fifth.size(), 200U);
  EXPECT_TRUE(std::ranges::includes(fifth, tenth));
  EXPECT_TRUE(std::ranges::is_sorted(tenth));
  EXPECT_NE(tenth, rows_of_fraction(1000, 0.1, 43));
}

TEST(RowsOfFraction, RoundsUpButNotByRoundingErrors) {
  EXPECT_EQ(rows_of_fraction(30, 0.1, 0).size(), 3U);
  EXPECT_EQ(rows_of_fraction(31, 0.1, 0).size(), 4U);
  EXPECT_EQ(rows_of_fraction(5, 0.001, 0).size(), 1U);
  EXPECT_EQ(rows_of_fraction(7, 1, 0).size(), 7U);
}

}  // namespace
}  // namespace expo
