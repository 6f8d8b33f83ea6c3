#include "expo/search/screening.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "expo/search/strategy.h"
#include "tests/search/fake_source.h"

namespace expo {
namespace {

const std::vector<double> kAlphas{-1, 0, 0.5, 1, 2, 4, 8, 16};
constexpr std::size_t kZero = 1;
constexpr std::uint64_t kShort = 50;
constexpr std::uint64_t kLimit = 1000;  // the user's own
constexpr std::uint64_t kCap = 100;     // twice α = 0's

/// Scores grow with α; above `last` no answer ends before the limit.
FakeSource endless_above(double last, std::size_t prompts = 160) {
  FakeSource source(kAlphas, prompts, [=](double alpha, const ScoreRequest& request) {
    const bool is_endless = alpha > last;
    return Score{alpha + jitter(request.candidate, request.prompt), 200,
                 is_endless ? kLimit : kShort, is_endless ? Ending::length : Ending::stop};
  });
  source.is_cut = true;
  return source;
}

SearchOptions options(std::optional<std::uint64_t> tokens = {}) {
  SearchOptions result;
  result.baseline = kZero;
  result.control = 0;
  result.tokens = tokens;
  return result;
}

std::size_t times_asked(const FakeSource& source, std::size_t candidate) {
  return static_cast<std::size_t>(std::ranges::count_if(
      source.asked, [&](const ScoreRequest& each) { return each.candidate == candidate; }));
}

class EachScreen : public testing::TestWithParam<Strategy> {};
INSTANTIATE_TEST_SUITE_P(Strategies, EachScreen,
                         testing::Values(Strategy::halving, Strategy::race));

TEST_P(EachScreen, DropsWhatDoesNotEndBeforeItCostsTheWholeLimit) {
  FakeSource source = endless_above(2);
  ScoreTable table(source, numbers(160));
  std::vector<std::size_t> heard;
  SearchOptions screened = options();
  screened.on_collapsed = [&](const Collapsed& each) { heard.push_back(each.candidate); };
  const Choice choice = choose(GetParam(), table, screened);
  EXPECT_EQ(source.candidates()[choice.chosen].alpha, 2);
  EXPECT_EQ(heard, (std::vector<std::size_t>{5, 6, 7}));
  ASSERT_EQ(choice.collapsed.size(), 3U);
  for (const Collapsed& each : choice.collapsed) {
    EXPECT_EQ(each.kind, Collapse::endless);
    EXPECT_EQ(each.share, 1);
    EXPECT_EQ(each.baseline, 0);
    EXPECT_EQ(each.cap, kCap);
    EXPECT_TRUE(table.of(each.candidate).empty());
    EXPECT_EQ(times_asked(source, each.candidate), 2U);  // those that were let go on
  }
  for (const Look& look : choice.looks) {
    for (const LookEntry& entry : look.entries) EXPECT_LT(entry.candidate, 5U);
  }
}

TEST_P(EachScreen, CountsWhatScreeningTook) {
  FakeSource source = endless_above(2);
  ScoreTable table(source, numbers(160));
  const Choice choice = choose(GetParam(), table, options());
  std::uint64_t expected = 0;
  for (std::size_t i = 0; i < kAlphas.size(); ++i) expected += table.of(i).size() * kShort;
  expected += 3 * (16 * kCap + 2 * kLimit);
  EXPECT_EQ(choice.tokens, expected);
}

TEST_P(EachScreen, KeepsItsBudget) {
  FakeSource source = endless_above(2, 400);
  ScoreTable table(source, numbers(400));
  const Choice choice = choose(GetParam(), table, options(60'000));
  EXPECT_EQ(source.candidates()[choice.chosen].alpha, 2);
  EXPECT_LE(choice.tokens, 61'200U);
  EXPECT_EQ(choice.collapsed.size(), 3U);
}

TEST_P(EachScreen, LetsFewerGoOnWhereTheBudgetIsSmall) {
  FakeSource source = endless_above(2, 400);
  ScoreTable table(source, numbers(400));
  const Choice choice = choose(GetParam(), table, options(10'000));
  EXPECT_EQ(choice.collapsed.size(), 3U);
  std::size_t let_go_on = 0;
  for (const Collapsed& each : choice.collapsed) let_go_on += times_asked(source, each.candidate);
  EXPECT_LT(let_go_on, 6U);
  EXPECT_GE(let_go_on, 2U);
  EXPECT_LE(choice.tokens, 10'400U);
}

TEST_P(EachScreen, DropsNothingThatIsOnlyLong) {
  FakeSource source(kAlphas, 160, [](double alpha, const ScoreRequest& request) {
    return Score{alpha + jitter(request.candidate, request.prompt), 4000,
                 alpha > 4 ? kLimit - 1 : kShort, Ending::stop};
  });
  source.is_cut = true;
  ScoreTable table(source, numbers(160));
  const Choice choice = choose(GetParam(), table, options());
  EXPECT_EQ(source.candidates()[choice.chosen].alpha, 16);
  EXPECT_TRUE(choice.collapsed.empty());
}

TEST_P(EachScreen, DropsNothingWhereTheUsersLimitIsLowerThanTheCap) {
  FakeSource source = endless_above(2);
  source.is_cut = false;
  ScoreTable table(source, numbers(160));
  EXPECT_EQ(source.candidates()[choose(GetParam(), table, options()).chosen].alpha, 16);
}

TEST_P(EachScreen, DropsWhatRepeatsOrSaysNothing) {
  FakeSource source(kAlphas, 160, [](double alpha, const ScoreRequest& request) {
    Score score{alpha + jitter(request.candidate, request.prompt), 200, kShort};
    if (alpha == 8) score.collapse = Collapse::repeating;
    if (alpha == 16 && request.prompt % 2 == 0) score.collapse = Collapse::empty;
    return score;
  });
  ScoreTable table(source, numbers(160));
  const Choice choice = choose(GetParam(), table, options());
  EXPECT_EQ(source.candidates()[choice.chosen].alpha, 4);
  ASSERT_EQ(choice.collapsed.size(), 2U);
  EXPECT_EQ(choice.collapsed[0].kind, Collapse::repeating);
  EXPECT_EQ(choice.collapsed[1].kind, Collapse::empty);
  EXPECT_EQ(choice.collapsed[1].share, 0.5);
}

TEST(Screening, JudgesNothingByAFewRowsAndNotTheGrid) {
  FakeSource few = endless_above(2, 5);
  ScoreTable small(few, numbers(5));
  EXPECT_TRUE(choose(Strategy::race, small, options()).collapsed.empty());
  EXPECT_TRUE(few.glanced.empty());
  FakeSource source = endless_above(2);
  ScoreTable table(source, numbers(160));
  EXPECT_EQ(source.candidates()[choose(Strategy::grid, table, options()).chosen].alpha, 16);
  EXPECT_TRUE(source.glanced.empty());
}

TEST(Screening, AnswersAgainOnlyWhatWasCut) {
  // A quarter of α = 0.5's answers are cut, as are a tenth of α = 0's.
  FakeSource source({0, 0.5}, 40, [](double alpha, const ScoreRequest& request) {
    const bool is_long = request.prompt % (alpha > 0 ? 4 : 20) == 3;
    return Score{0, 200, is_long ? 300U : kShort, Ending::stop};
  });
  source.is_cut = true;
  ScoreTable table(source, numbers(40));
  Spending spending(table, std::nullopt);
  Screening screening(table, spending, 0, {});
  EXPECT_EQ(screening.pass(numbers(2), 4, 40), numbers(2));
  EXPECT_EQ(table.of(0).size(), 16U);
  EXPECT_EQ(table.of(1).size(), 16U);
  // α = 0: one of 16 is long, so that the 95th percentile is that one and the cap 600.
  EXPECT_EQ(table.tokens(), 15 * kShort + 300 + 12 * kShort + 4 * 300);
  EXPECT_EQ(source.glanced.size(), 16U);
}

TEST(Screening, PaysForCutAnswersOfThoseThatStay) {
  FakeSource source({0, 0.5}, 40, [](double alpha, const ScoreRequest& request) {
    const bool is_long = alpha > 0 && request.prompt % 8 == 3;  // two of 16
    return Score{0, 200, is_long ? 300U : kShort, Ending::stop};
  });
  source.is_cut = true;
  ScoreTable table(source, numbers(40));
  Spending spending(table, std::nullopt);
  Screening screening(table, spending, 0, {});
  EXPECT_EQ(screening.pass(numbers(2), 4, 40), numbers(2));
  EXPECT_EQ(table.tokens(), 16 * kShort + 14 * kShort + 2 * 300 + 2 * kCap);
}

TEST(Screening, PaysOnceForAnswersThatGoOn) {
  FakeSource source({0, 0.5}, 40, [](double alpha, const ScoreRequest& request) {
    const bool is_long = alpha > 0 && request.prompt % 8 == 3;  // two of 16
    return Score{0, 200, is_long ? 300U : kShort, Ending::stop};
  });
  source.is_cut = source.goes_on = true;
  ScoreTable table(source, numbers(40));
  Spending spending(table, std::nullopt);
  Screening screening(table, spending, 0, {});
  EXPECT_EQ(screening.pass(numbers(2), 4, 40), numbers(2));
  EXPECT_EQ(table.tokens(), 16 * kShort + 14 * kShort + 2 * 300);
}

TEST(Screening, PaysOnceForAnswersThatGoOnInVain) {
  FakeSource source = endless_above(2);
  source.goes_on = true;
  ScoreTable table(source, numbers(160));
  Spending spending(table, std::nullopt);
  Screening screening(table, spending, kZero, {});
  EXPECT_EQ(screening.pass(std::vector<std::size_t>{kZero, 7}, 4, 40), std::vector{kZero});
  EXPECT_EQ(table.tokens(), 16 * kShort + 16 * kCap + 2 * (kLimit - kCap));
}

TEST(Screening, AnAlphaThatTheRaceAddsIsScreenedToo) {
  // The best α stands at the end of the range, and beyond it nothing ends.
  FakeSource source = endless_above(16, 400);
  source.makes_candidates = true;
  ScoreTable table(source, numbers(400));
  const Choice choice = choose(Strategy::race, table, options());
  EXPECT_EQ(source.candidates()[choice.chosen].alpha, 16);
  ASSERT_EQ(choice.collapsed.size(), 1U);
  EXPECT_GT(source.candidates()[choice.collapsed[0].candidate].alpha, 16);
  EXPECT_TRUE(table.of(choice.collapsed[0].candidate).empty());
}

}  // namespace
}  // namespace expo
