#include "expo/search/score_table.h"

#include <gtest/gtest.h>

#include <cmath>

#include "expo/core/error.h"
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

}  // namespace
}  // namespace expo
