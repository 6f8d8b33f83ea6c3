#include "expo/search/strategy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "expo/core/error.h"
#include "expo/search/proposals.h"
#include "expo/search/source/alpha_place.h"
#include "tests/search/fake_source.h"

namespace expo {
namespace {

const std::vector<double> kAlphas{-1, 0, 0.1, 0.2, 0.35, 0.7, 1, 2, 4, 8, 16, 25};
constexpr std::size_t kZero = 1;

/// A clear peak at an α, with some noise, and answers that grow with α.
FakeSource::Function peak_at(double best, double noise = 0.3) {
  return [=](double alpha, const ScoreRequest& request) {
    const double distance = log_place(alpha) - log_place(best);
    const double mean = std::exp(-distance * distance / 2);
    const double prompt = jitter(request.prompt, 77);
    const double own = noise * jitter(request.candidate, request.prompt, request.sample);
    const double length = 100 * (1 + std::max(0.0, alpha) / 10);
    return Score{mean + prompt + own, length, static_cast<std::uint64_t>(length),
                 alpha > 10 ? Ending::length : Ending::stop};
  };
}

SearchOptions options(std::optional<std::uint64_t> tokens = {}) {
  SearchOptions result;
  result.baseline = kZero;
  result.control = 0;
  result.tokens = tokens;
  return result;
}

class EachStrategy : public testing::TestWithParam<Strategy> {};
INSTANTIATE_TEST_SUITE_P(Strategies, EachStrategy,
                         testing::Values(Strategy::grid, Strategy::halving, Strategy::race));

TEST_P(EachStrategy, FindsAClearPeak) {
  for (const double best : {0.1, 2.0, 25.0}) {
    FakeSource source(kAlphas, 120, peak_at(best));
    ScoreTable table(source, numbers(120));
    const Choice choice = choose(GetParam(), table, options());
    EXPECT_EQ(source.candidates()[choice.chosen].alpha, best);
    EXPECT_EQ(choice.tokens, table.tokens());
    EXPECT_FALSE(choice.looks.empty());
  }
}

TEST_P(EachStrategy, KeepsItsBudget) {
  for (const std::uint64_t tokens : {20000U, 60000U}) {
    FakeSource source(kAlphas, 200, peak_at(2), 2);
    ScoreTable table(source, numbers(200));
    const Choice choice = choose(GetParam(), table, options(tokens));
    EXPECT_LE(choice.tokens, tokens + tokens / 50);
    EXPECT_GE(choice.tokens, tokens / 5 * 4);
  }
}

TEST_P(EachStrategy, ChoosesAmongAFewPromptsToo) {
  for (const std::size_t prompts : {1U, 2U, 5U}) {
    FakeSource source(kAlphas, prompts, peak_at(2, 0));
    ScoreTable table(source, numbers(prompts));
    EXPECT_EQ(source.candidates()[choose(GetParam(), table, options()).chosen].alpha, 2);
  }
}

TEST_P(EachStrategy, NeverChoosesTheControl) {
  FakeSource source(kAlphas, 100, peak_at(-1));
  ScoreTable table(source, numbers(100));
  const Choice choice = choose(GetParam(), table, options());
  EXPECT_EQ(choice.chosen, kZero);
}

TEST_P(EachStrategy, ObeysGuards) {
  SearchOptions guarded = options();
  guarded.guards = {parse_guard("length<=1.25x")};  // 1 + α/10
  FakeSource source(kAlphas, 120, peak_at(8));
  ScoreTable table(source, numbers(120));
  EXPECT_EQ(source.candidates()[choose(GetParam(), table, guarded).chosen].alpha, 2);
  guarded.guards = {parse_guard("truncated<=0.05")};
  FakeSource late(kAlphas, 120, peak_at(25));
  ScoreTable other(late, numbers(120));
  EXPECT_EQ(late.candidates()[choose(GetParam(), other, guarded).chosen].alpha, 8);
}

TEST_P(EachStrategy, NamesTheSmallestOfThoseThatCannotBeToldApart) {
  const auto plateau = [](double alpha, const ScoreRequest& request) {
    return Score{(alpha >= 0.35 ? 1.0 : 0.0) + jitter(request.candidate, request.prompt), 1, 10};
  };
  FakeSource source(kAlphas, 150, plateau);
  ScoreTable table(source, numbers(150));
  const Choice choice = choose(GetParam(), table, options());
  EXPECT_GE(source.candidates()[choice.smallest].alpha, 0.35);
  EXPECT_EQ(choice.smallest, choice.tied.front());
  EXPECT_NE(std::find(choice.tied.begin(), choice.tied.end(), choice.chosen), choice.tied.end());
  EXPECT_TRUE(std::is_sorted(choice.tied.begin(), choice.tied.end()));
}

TEST_P(EachStrategy, LetsTheSourcesFailureThroughAndGoesOnAfterIt) {
  FakeSource source(kAlphas, 60, peak_at(2));
  source.fails_after = 100;
  ScoreTable table(source, numbers(60));
  EXPECT_THROW(choose(GetParam(), table, options()), std::runtime_error);
  source.fails_after = SIZE_MAX;
  EXPECT_EQ(source.candidates()[choose(GetParam(), table, options()).chosen].alpha, 2);
}

TEST(Grid, AsksAllCandidatesForTheSamePrompts) {
  FakeSource source(kAlphas, 100, peak_at(2));
  ScoreTable table(source, numbers(100));
  choose(Strategy::grid, table, options(50000));
  for (std::size_t i = 1; i < kAlphas.size(); ++i) {
    EXPECT_EQ(table.of(i).size(), table.of(1).size());
  }
  EXPECT_LT(table.of(1).size(), 100U);
}

TEST(Halving, KeepsAThirdInEachRound) {
  FakeSource source(kAlphas, 90, peak_at(2));
  ScoreTable table(source, numbers(90));
  const Choice choice = choose(Strategy::halving, table, options());
  std::vector<std::size_t> seen;
  for (const Look& look : choice.looks) seen.push_back(look.entries.size());
  EXPECT_EQ(seen, (std::vector<std::size_t>{11, 4, 2}));
  EXPECT_EQ(table.of(choice.chosen).size(), 90U);
  EXPECT_EQ(choice.looks[0].entries[0].prompts, 10U);
}

TEST(Race, NeverDropsAlphaZeroAndShowsTheControlOnce) {
  FakeSource source(kAlphas, 400, peak_at(8, 0.1));
  ScoreTable table(source, numbers(400));
  const Choice choice = choose(Strategy::race, table, options());
  EXPECT_EQ(table.of(kZero).size(), 400U);
  EXPECT_EQ(table.of(0).size(), 16U);
  EXPECT_LT(table.of(2).size(), 100U);
  ASSERT_EQ(choice.looks.size(), 4U);
  EXPECT_LT(choice.looks[0].tokens, choice.looks[1].tokens);
}

TEST(Race, RefinesTheNeighbourhoodOfTheLeader) {
  FakeSource source(kAlphas, 400, peak_at(2.8, 0.1));
  source.makes_candidates = true;
  ScoreTable table(source, numbers(400));
  const Choice choice = choose(Strategy::race, table, options());
  EXPECT_NEAR(source.candidates()[choice.chosen].alpha, 2.8, 0.1);
  SearchOptions plain = options();
  plain.refine = false;
  FakeSource other(kAlphas, 400, peak_at(2.8, 0.1));
  other.makes_candidates = true;
  ScoreTable coarse(other, numbers(400));
  EXPECT_LT(choose(Strategy::race, coarse, plain).chosen, kAlphas.size());
}

TEST(Race, ExtendsTheRangeOnceForAWinnerAtItsEdge) {
  FakeSource source(kAlphas, 400, peak_at(40, 0.1));
  source.makes_candidates = true;
  ScoreTable table(source, numbers(400));
  const Choice choice = choose(Strategy::race, table, options());
  EXPECT_EQ(source.candidates()[choice.chosen].alpha, 50);
}

TEST(Proposals, LieInTheMiddleOnTheLogarithmicScale) {
  const std::vector<double> alphas{0, 1, 4, 16};
  const auto between = between_neighbours(alphas, 4);
  ASSERT_EQ(between.size(), 2U);
  EXPECT_EQ(between[0], 2);
  EXPECT_EQ(between[1], 8);
  EXPECT_EQ(between_neighbours(alphas, 0).size(), 1U);
  EXPECT_TRUE(between_neighbours(std::vector{1.0, 1.2, 1.4}, 1.2).empty());
  EXPECT_EQ(beyond(alphas), 64);
  EXPECT_EQ(beyond(std::vector{3.0}), 6);
}

TEST(Strategy, HasNames) {
  EXPECT_EQ(strategy_named("race"), Strategy::race);
  EXPECT_THROW(strategy_named("walk"), Error);
}

}  // namespace
}  // namespace expo
