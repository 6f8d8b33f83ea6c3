#include "expo/search/spending.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "expo/core/error.h"
#include "expo/search/confirmation.h"
#include "expo/search/strategy.h"
#include "support/contains.h"
#include "tests/search/fake_source.h"

namespace expo {
namespace {

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

/// The number before these words; 0 without them.
std::uint64_t number_before(const std::string& message, const std::string& words) {
  const std::size_t end = message.find(words);
  const std::size_t begin = message.find_last_not_of("0123456789", end - 1) + 1;
  return end == std::string::npos ? 0 : std::stoull(message.substr(begin, end - begin));
}

TEST(Spending, StopsBeforeABudgetThatTwoRowsExceedIsOverrun) {
  for (const std::uint64_t budget : {1, 200, 500, 1000, 1500}) {
    FakeSource source({0, 1, 2, 4, 8, 16, 25, 50, 75, 100}, 1000, costly);
    source.most = 190;
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
      std::uint64_t named = std::stoull(message.substr(message.find(word) + word.size()));
      EXPECT_GT(named, whole);
      named = std::max(named, number_before(message, " do if no answer ends"));
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
  source.most = 190;
  ScoreTable table(source, numbers(1000));
  Spending(table, 6 * 190).extend(numbers(3), 2);
  EXPECT_EQ(source.asked.size(), 6U);
  EXPECT_EQ(source.calls, 1U);
  FakeSource another({0, 1, 2}, 1000, costly);
  another.most = 191;
  ScoreTable second(another, numbers(1000));
  Spending(second, 6 * 190).extend(numbers(3), 2);
  EXPECT_EQ(another.asked.size(), 6U);
  EXPECT_EQ(another.calls, 2U);  // once those of α = 0 are known, the others fit in any case
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

constexpr std::uint64_t kShort = 50;
constexpr std::uint64_t kLongest = 2048;
constexpr std::size_t kZero = 1;

/// From α = 4 on, no answer ends.
FakeSource endless_from_four(bool is_limit_known, double first = 4) {
  FakeSource source({-1, 0, 0.1, 0.2, 0.5, 1, 2, 4, 8, 16, 25}, 400,
                    [first](double alpha, const ScoreRequest& request) {
                      const bool is_endless = alpha >= first;
                      return Score{jitter(request.candidate, request.prompt), 200,
                                   is_endless ? kLongest : kShort,
                                   is_endless ? Ending::length : Ending::stop};
                    });
  source.is_cut = true;
  if (is_limit_known) source.most = kLongest;
  return source;
}

/// What a choice within a budget takes, and the budget that a refusal names as enough in any case.
struct Outcome {
  std::uint64_t spent = 0;
  std::optional<std::uint64_t> enough = {};
};

Outcome choose_within(Strategy strategy, FakeSource source, std::uint64_t budget) {
  ScoreTable table(source, numbers(400));
  SearchOptions options;
  options.baseline = kZero;
  options.control = 0;
  options.tokens = budget;
  try {
    choose(strategy, table, options);
    EXPECT_EQ(table.tokens(), source.generated) << budget;
    return {table.tokens()};
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::usage);
    EXPECT_EQ(table.tokens(), source.generated) << budget;
    const std::uint64_t named = number_before(error.what(), " do if no answer ends");
    const std::string word = "give at least ";
    const std::string message = error.what();
    const std::uint64_t expected = std::stoull(message.substr(message.find(word) + word.size()));
    return {table.tokens(), std::max(named, expected)};
  }
}

class EachBudget : public testing::TestWithParam<Strategy> {};
INSTANTIATE_TEST_SUITE_P(Strategies, EachBudget,
                         testing::Values(Strategy::grid, Strategy::halving, Strategy::race));

TEST_P(EachBudget, IsKeptToOneAnswerWhereSomeAlphaNeverEnd) {
  for (const bool is_limit_known : {true, false}) {
    for (std::uint64_t budget = 25; budget < 400'000;
         budget += std::max<std::uint64_t>(25, budget / 5)) {
      const Outcome outcome = choose_within(GetParam(), endless_from_four(is_limit_known), budget);
      EXPECT_LE(outcome.spent, budget + kLongest) << budget << (is_limit_known ? "" : ", unknown");
      if (!outcome.enough || !is_limit_known) continue;
      const Outcome again = choose_within(GetParam(), endless_from_four(true), *outcome.enough);
      EXPECT_FALSE(again.enough) << budget << " was refused for " << *outcome.enough;
      EXPECT_LE(again.spent, *outcome.enough + kLongest);
    }
  }
}

/// Answers beyond the cap of a screening that end all the same: what it generated of them counts
/// once, also where the budget ends before their rows are asked for.
TEST_P(EachBudget, CountsWhatScreeningGenerates) {
  for (const bool goes_on : {false, true}) {
    for (std::uint64_t budget = 500; budget < 400'000; budget += budget / 7) {
      FakeSource source(
          {-1, 0, 0.5, 1, 2, 4, 8}, 400, [](double alpha, const ScoreRequest& request) {
            const bool is_long = alpha >= 2 && request.prompt % 3 > 0;
            return Score{jitter(request.candidate, request.prompt), 200, is_long ? 400 : kShort};
          });
      source.is_cut = true;
      source.goes_on = goes_on;
      source.most = 500;
      EXPECT_LE(choose_within(GetParam(), source, budget).spent, budget + 500) << budget;
    }
  }
}

TEST_P(EachBudget, IsKeptWhereOnlySftNeverEnds) {
  for (std::uint64_t budget = 500; budget < 100'000; budget += budget / 5) {
    FakeSource source({-1, 0, 1, 2}, 400, [](double alpha, const ScoreRequest& request) {
      return Score{jitter(request.candidate, request.prompt), 200, alpha < 0 ? kLongest : kShort,
                   alpha < 0 ? Ending::length : Ending::stop};
    });
    source.most = kLongest;
    EXPECT_LE(choose_within(GetParam(), source, budget).spent, budget + kLongest) << budget;
  }
}

TEST(Spending, ABudgetThatConfirmsIsKeptWhereTheBaselineNeverEnds) {
  for (std::uint64_t budget = 9000; budget < 100'000; budget += budget / 5) {
    FakeSource source = endless_from_four(true, 25);
    ScoreTable table(source, numbers(400));
    ConfirmationOptions options;
    options.baseline = 10;
    options.aligned = kZero;
    options.control = 0;
    options.tokens = budget;
    confirm(table, 4, options);
    EXPECT_LE(table.tokens(), budget + kLongest) << budget;
  }
}

}  // namespace
}  // namespace expo
