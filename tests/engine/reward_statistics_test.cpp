#include "expo/engine/reward_statistics.h"

#include <gtest/gtest.h>

#include <vector>

namespace expo {
namespace {

TEST(RewardStatistics, GivesWilsonsIntervals) {
  // R: binom::binom.confint(8, 10, methods = "wilson"), and (0, 5).
  const auto [low, high] = wilson_interval(8, 10);
  EXPECT_NEAR(low, 0.4901625, 1e-7);
  EXPECT_NEAR(high, 0.9433178, 1e-7);
  const auto [none, some] = wilson_interval(0, 5);
  EXPECT_EQ(none, 0);
  EXPECT_NEAR(some, 0.4344825, 1e-7);
  EXPECT_EQ(wilson_interval(5, 5).second, 1);
}

TEST(RewardStatistics, HasNoErrorForASingleValue) {
  EXPECT_EQ(mean_of(std::vector{3.0}).mean, 3);
  EXPECT_FALSE(mean_of(std::vector{3.0}).standard_error);
  const MeanOfRewards three = mean_of(std::vector{1.0, 2.0, 6.0});
  EXPECT_EQ(three.mean, 3);
  EXPECT_DOUBLE_EQ(*three.standard_error, 1.5275252316519468);  // sqrt(7 / 3)
}

TEST(RewardStatistics, CountsATieAsNoWin) {
  const std::vector<std::pair<double, double>> pairs{{2, 1}, {1, 1}, {0, 3}, {5, 1}};
  const PairScores scores = score_pairs(pairs);
  EXPECT_EQ(scores.wins, 2U);
  EXPECT_EQ(scores.ties, 1U);
  EXPECT_EQ(scores.accuracy, 0.5);
  EXPECT_EQ(scores.margin.mean, 0.5);
  EXPECT_EQ(scores.accuracy_interval, wilson_interval(2, 4));
  EXPECT_NEAR(scores.margin_interval.second - 0.5,
              1.959963984540054 * *scores.margin.standard_error, 1e-12);
}

}  // namespace
}  // namespace expo
