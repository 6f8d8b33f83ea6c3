#include "expo/search/score_table.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "expo/core/error.h"
#include "expo/search/spending.h"
#include "support/contains.h"
#include "tests/search/fake_source.h"

namespace expo {
namespace {

Score numbered(double alpha, const ScoreRequest& request) {
  return {alpha * 100 + static_cast<double>(request.prompt) + 10.0 * request.sample, 5, 7,
          request.sample == 0 ? Ending::stop : Ending::length};
}

TEST(ScoreTable, AveragesTheSamplesOfAPrompt) {
  FakeSource source({0, 1}, 5, numbered, 2);
  ScoreTable table(source, {4, 2, 0});
  table.ask(numbers(2), 2);
  ASSERT_EQ(table.of(1).size(), 2U);
  EXPECT_EQ(table.of(1)[0].score, 109);
  EXPECT_EQ(table.of(1)[1].score, 107);
  EXPECT_EQ(table.of(0)[0].truncated, 0.5);
  EXPECT_EQ(table.of(0)[0].tokens, 14);
  EXPECT_EQ(table.tokens(), 56U);
  EXPECT_EQ(paired_differences(table.of(1), table.of(0)), (std::vector<double>{100, 100}));
}

TEST(ScoreTable, AveragesFurtherMeasuresOverSamplesAndRows) {
  const auto measured = [](double, const ScoreRequest& request) {
    Score score{0, 5, 7};
    score.measures = {static_cast<double>(request.prompt), 10.0 * request.sample};
    return score;
  };
  FakeSource source({0}, 5, measured, 2);
  ScoreTable together(source, {4, 2});
  together.ask(numbers(1), 2);
  EXPECT_EQ(together.of(0)[0].measures, (std::vector<double>{4, 5}));
  ScoreTable apart(source, {4, 2}, SampleOrder::apart);
  apart.ask(numbers(1), 3);
  EXPECT_EQ(apart.of(0)[2].measures, (std::vector<double>{4, 10}));
  EXPECT_EQ(apart.prompt_means(0)[0].measures, (std::vector<double>{4, 5}));
  EXPECT_EQ(apart.prompt_means(0)[1].measures, (std::vector<double>{2, 0}));
  EXPECT_EQ(score_values(apart.of(0), MeasurePick(1)), (std::vector<double>{0, 0, 10}));
}

TEST(ScoreTable, AsksForNothingTwice) {
  FakeSource source({0, 1}, 5, numbered, 2);
  ScoreTable table(source, {4, 2, 0});
  table.ask(numbers(2), 2);
  table.ask(numbers(2), 99);
  EXPECT_EQ(source.asked.size(), 12U);
  EXPECT_EQ(source.asked.back(), (ScoreRequest{1, 0, 1}));
}

TEST(ScoreTable, AsksForSamplesApart) {
  FakeSource source({0}, 5, numbered, 2);
  ScoreTable table(source, {4, 2}, SampleOrder::apart);
  EXPECT_EQ(table.rows(), 4U);
  table.ask(numbers(1), 3);
  EXPECT_EQ(source.asked, (std::vector<ScoreRequest>{{0, 4, 0}, {0, 2, 0}, {0, 4, 1}}));
  const auto means = table.prompt_means(0);
  ASSERT_EQ(means.size(), 2U);
  EXPECT_EQ(means[0].score, 9);  // of 4 and 14
  EXPECT_EQ(means[1].score, 2);
  EXPECT_EQ(means[0].truncated, 0.5);
  EXPECT_EQ(table.prompt_means(0, 2)[0].score, 4);
}

TEST(ScoreTable, KeepsWhatItHasWhenTheSourceFails) {
  FakeSource source({0, 1}, 5, numbered);
  ScoreTable table(source, numbers(5));
  table.ask(numbers(2), 2);
  source.fails_after = 5;
  EXPECT_THROW(table.ask(numbers(2), 5), std::runtime_error);
  EXPECT_EQ(table.of(0).size(), 2U);
  source.fails_after = SIZE_MAX;
  table.ask(numbers(2), 5);
  EXPECT_EQ(table.of(0).size(), 5U);
}

TEST(ScoreTable, RefusesScoresThatAreNoNumbers) {
  FakeSource source(std::vector<double>{0}, 5, [](double, const ScoreRequest&) {
    return Score{NAN, 1, 1};
  });
  ScoreTable table(source, numbers(5));
  EXPECT_THROW(table.ask(numbers(1), 1), Error);
}

TEST(ScoreTable, ExpectsThePricesThatItSaw) {
  FakeSource source({0, 1}, 100, [](double alpha, const ScoreRequest&) {
    return Score{0, 1, alpha == 0 ? std::uint64_t{10} : std::uint64_t{90}};
  });
  ScoreTable table(source, numbers(100));
  EXPECT_FALSE(table.expected_tokens(0));
  table.ask(numbers(2), 1);
  EXPECT_EQ(table.expected_tokens(0), (4 * 50 + 10) / 5.0);
  table.ask(numbers(2), 96);
  EXPECT_EQ(table.expected_tokens(1), (4 * 50 + 96 * 90) / 100.0);
}

/// Answers that cost between 10 and 190 tokens.
Score costly(double, const ScoreRequest& request) {
  const double tokens = 100 + 90 * jitter(request.candidate, request.prompt);
  return {0, 1, static_cast<std::uint64_t>(tokens)};
}

TEST(Spending, StopsWhereTheBudgetEnds) {
  FakeSource source({0, 1, 2}, 1000, costly);
  ScoreTable table(source, numbers(1000));
  Spending spending(table, 60000);
  EXPECT_FALSE(spending.extend(numbers(3), 1000));
  EXPECT_NEAR(static_cast<double>(spending.spent()), 60000, 600);
  EXPECT_EQ(table.of(0).size(), table.of(2).size());
  EXPECT_FALSE(spending.extend(numbers(3), 1000));
  EXPECT_LT(spending.spent(), 60600U);
}

TEST(Spending, StopsBeforeABudgetThatTwoRowsExceedIsOverrun) {
  for (const std::uint64_t budget : {1, 200, 500, 1000, 1500}) {
    FakeSource source({0, 1, 2, 4, 8, 16, 25, 50, 75, 100}, 1000, costly);
    ScoreTable table(source, numbers(1000));
    // This part ends where half of the whole is spent, of which earlier ones took 1,000.
    const std::uint64_t whole = 2 * (1000 + budget);
    Spending spending(table, budget, {.end = 0.5, .before = 1000, .whole = whole});
    try {
      spending.extend(numbers(10), 1000);
      ADD_FAILURE() << budget << " was not refused";
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::usage);
      const std::string message = error.what();
      EXPECT_TRUE(contains(message, fmt::format("--token-budget {}:", whole))) << message;
      const std::string word = "give at least ";
      const std::uint64_t named = std::stoull(message.substr(message.find(word) + word.size()));
      EXPECT_GT(named, whole);
      // The first two rows of one α are the price of learning that.
      EXPECT_LE(spending.spent(), std::max<std::uint64_t>(budget + 200, 380)) << message;
      FakeSource again({0, 1, 2, 4, 8, 16, 25, 50, 75, 100}, 1000, costly);
      ScoreTable larger(again, numbers(1000));
      const std::uint64_t enough = named / 2 - 1000;
      Spending second(larger, enough);
      second.extend(numbers(10), 1000);
      EXPECT_GE(larger.of(9).size(), 2U) << message;
      EXPECT_LE(second.spent(), enough + 200) << message;
    }
  }
}

TEST(Spending, AsksForTheFirstRowsTogetherWhereTheyCertainlyFit) {
  FakeSource source({0, 1, 2}, 1000, costly);
  ScoreTable table(source, numbers(1000));
  Spending(table, 60000).extend(numbers(3), 2);
  ASSERT_EQ(source.asked.size(), 6U);
  EXPECT_EQ(source.calls, 2U);  // α = 0 alone tells the price
}

TEST(Spending, ReachesWhatItCanPay) {
  FakeSource source({0, 1, 2}, 1000, costly);
  ScoreTable table(source, numbers(1000));
  Spending spending(table, 60000);
  EXPECT_TRUE(spending.extend(numbers(3), 150));
  EXPECT_EQ(table.of(1).size(), 150U);
  EXPECT_TRUE(Spending(table, std::nullopt).extend(numbers(3), 5000));
  EXPECT_EQ(table.of(1).size(), 1000U);
}

}  // namespace
}  // namespace expo
