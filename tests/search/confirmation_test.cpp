#include "expo/search/confirmation.h"

#include <gtest/gtest.h>

#include <cmath>

#include "expo/core/error.h"
#include "tests/search/fake_source.h"

namespace expo {
namespace {

/// −1, 0 and 1, with gains of α = 1 over 0 of which half are at the prompt's luck.
FakeSource source_with(double gain, double noise, std::size_t prompts = 200) {
  return {{-1, 0, 1}, prompts, [=](double alpha, const ScoreRequest& request) {
            const double luck = noise * jitter(request.candidate, request.prompt);
            return Score{alpha < 0 ? -1.0 : gain * alpha + luck, 10 + luck, 10};
          }};
}

ConfirmationOptions options(double min_gain = 0) {
  ConfirmationOptions result;
  result.baseline = 1;
  result.aligned = 1;
  result.control = 0;
  result.min_gain = min_gain;
  return result;
}

TEST(Confirmation, ClaimsAClearGain) {
  FakeSource source = source_with(0.3, 0.5);
  ScoreTable table(source, numbers(200));
  const Confirmation found = confirm(table, 2, options());
  EXPECT_EQ(found.verdict, Verdict::gain);
  EXPECT_LT(found.gain->p, 0.001);
  EXPECT_LT(found.gain->interval.first, 0.3);
  EXPECT_GT(found.gain->interval.second, 0.3);
  EXPECT_GT(found.gain->interval.first, found.gain->wide_interval.first);
  EXPECT_NEAR(found.training->difference.mean, 1, 0.1);
  EXPECT_TRUE(found.gain->at_equal_length);
  EXPECT_FALSE(found.needed_prompts);
  EXPECT_EQ(found.tokens, 6000U);
}

TEST(Confirmation, SaysThatAGainIsNotWorthwhile) {
  FakeSource source = source_with(0, 0.5);
  ScoreTable table(source, numbers(200));
  EXPECT_EQ(confirm(table, 2, options(0.3)).verdict, Verdict::no_worthwhile_gain);
}

TEST(Confirmation, NamesThePromptsThatWouldDecide) {
  FakeSource source = source_with(0.05, 2, 100);
  ScoreTable table(source, numbers(100));
  const Confirmation found = confirm(table, 2, options(0.1));
  ASSERT_EQ(found.verdict, Verdict::undecided);
  const double sought = std::max(0.1, found.gain->difference.mean);
  EXPECT_EQ(found.needed_prompts, needed_prompts(found.gain->difference.deviation, sought));
}

TEST(Confirmation, NamesNoNumberWhereNoGainWasSeen) {
  FakeSource source = source_with(-0.3, 2, 60);
  ScoreTable table(source, numbers(60));
  const Confirmation found = confirm(table, 2, options(-1));
  ASSERT_LT(found.gain->difference.mean, 0);
  EXPECT_EQ(found.verdict, Verdict::undecided);
  EXPECT_FALSE(found.needed_prompts);
}

TEST(Confirmation, HasNothingToCompareIfTheBaselineWon) {
  FakeSource source = source_with(0.3, 0.5);
  ScoreTable table(source, numbers(200));
  const Confirmation found = confirm(table, 1, options());
  EXPECT_EQ(found.verdict, Verdict::no_worthwhile_gain);
  EXPECT_FALSE(found.gain);
  EXPECT_TRUE(found.training);
}

TEST(Confirmation, ClaimsNothingFromSkewedDifferences) {
  // Small gains nearly always, and a rare large loss: the mean of 40 of them tells little.
  FakeSource source({-1, 0, 1}, 40, [](double alpha, const ScoreRequest& request) {
    const double gain = request.prompt == 7 ? -1.0 : 0.2 + 0.01 * jitter(request.prompt, 3);
    return Score{alpha > 0 ? gain : 0, 1, 1};
  });
  ScoreTable table(source, numbers(40));
  const Confirmation found = confirm(table, 2, options());
  EXPECT_LE(found.gain->p, 0.05);
  EXPECT_EQ(found.verdict, Verdict::undecided);
  EXPECT_GT(found.needed_prompts, 40U);
}

TEST(Confirmation, BelievesTheExactSignTestWhateverTheSkewness) {
  FakeSource source({-1, 0, 1}, 40, [](double alpha, const ScoreRequest& request) {
    return Score{alpha > 0 ? (request.prompt == 7 ? -1.0 : 1.0) : 0, 1, 1};
  });
  ScoreTable table(source, numbers(40));
  const Confirmation found = confirm(table, 2, options());
  EXPECT_EQ(found.gain->method, FlipMethod::sign_test);
  EXPECT_EQ(found.verdict, Verdict::gain);
}

TEST(Confirmation, ClaimsNothingFromFewDifferencesThatAreNotOfOneSize) {
  FakeSource source = source_with(0.3, 0.1, 40);
  ScoreTable table(source, numbers(40));
  const Confirmation found = confirm(table, 2, options());
  EXPECT_LE(found.gain->p, 0.05);
  EXPECT_EQ(found.verdict, Verdict::undecided);
  EXPECT_GT(found.needed_prompts, 49U);
}

TEST(Confirmation, ClaimsNothingWhereFewPromptsDifferAndATailMayBeUnseen) {
  // 20 of 400 differ, by different gains: a rare loss that outweighs them may not have occurred.
  FakeSource source({-1, 0, 1}, 400, [](double alpha, const ScoreRequest& request) {
    const bool differs = alpha > 0 && request.prompt % 20 == 0;
    return Score{differs ? 0.5 + 0.1 * jitter(request.prompt, 3) : 0, 1, 1};
  });
  ScoreTable table(source, numbers(400));
  const Confirmation found = confirm(table, 2, options());
  EXPECT_LE(found.gain->p, 0.05);
  EXPECT_EQ(found.verdict, Verdict::undecided);
  EXPECT_GE(found.needed_prompts, 1000U);
}

TEST(Confirmation, ClaimsFromBoundedDifferencesThoughFewDiffer) {
  FakeSource source({-1, 0, 1}, 400, [](double alpha, const ScoreRequest& request) {
    const bool differs = alpha > 0 && request.prompt % 20 == 0;
    return Score{!differs ? 0.0 : request.prompt % 40 == 0 ? 0.5 : 1.0, 1, 1};
  });
  ScoreTable table(source, numbers(400));
  const Confirmation found = confirm(table, 2, options());
  EXPECT_EQ(found.gain->method, FlipMethod::lattice);
  EXPECT_EQ(found.verdict, Verdict::gain);
}

/// Scores of 0 or 1 of which the first `better` prompts are better at α = 1.
FakeSource rarely_better(std::size_t prompts, std::size_t better) {
  return {{-1, 0, 1}, prompts, [=](double alpha, const ScoreRequest& request) {
            return Score{alpha > 0 && request.prompt < better ? 1.0 : 0.0, 1, 1};
          }};
}

TEST(Confirmation, RulesAGainOutOnlyByAnExactBoundWhereDifferencesAreRare) {
  // One of 50: by Clopper and Pearson, up to 10.6 in 100 are compatible with it (scipy: beta.ppf(
  // 0.975, 2, 49) = 0.1065).
  FakeSource few = rarely_better(50, 1);
  ScoreTable table(few, numbers(50));
  const Confirmation found = confirm(table, 2, options(0.1));
  EXPECT_LT(found.gain->interval.second, 0.1);
  EXPECT_EQ(found.verdict, Verdict::undecided);
  EXPECT_EQ(confirm(table, 2, options(0.11)).verdict, Verdict::no_worthwhile_gain);
  FakeSource none = rarely_better(22, 0);
  ScoreTable empty(none, numbers(22));
  EXPECT_EQ(confirm(empty, 2, options(0.05)).verdict, Verdict::undecided);
}

TEST(Confirmation, AGainThatIsCertainlyTooSmallIsNotWorthwhile) {
  FakeSource source = source_with(0.3, 0.5);
  ScoreTable table(source, numbers(200));
  const Confirmation found = confirm(table, 2, options(1));
  EXPECT_LE(found.gain->p, 0.05);
  EXPECT_EQ(found.verdict, Verdict::no_worthwhile_gain);
}

TEST(Confirmation, KeepsItsBudgetAndRefusesTooFewPrompts) {
  FakeSource source = source_with(0.3, 0.5);
  ScoreTable table(source, numbers(200));
  ConfirmationOptions little = options();
  little.tokens = 3000;
  const Confirmation found = confirm(table, 2, little);
  EXPECT_LE(found.tokens, 3000U);
  EXPECT_GE(found.tokens, 2700U);
  EXPECT_EQ(found.gain->difference.count * 30, found.tokens);
  ScoreTable single(source, {0});
  EXPECT_THROW(confirm(single, 2, options()), Error);
}

TEST(LengthSurge, IsTheSmallestAlphaWithMuchLongerAnswers) {
  const std::vector<LengthAtAlpha> curve{{0, 100}, {0.3, 180}, {0.1, 140}, {2, 400}, {-1, 50}};
  const auto found = surge_of_length(curve);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->alpha, 0.1);
  EXPECT_DOUBLE_EQ(found->ratio, 1.4);
  EXPECT_FALSE(surge_of_length(std::vector<LengthAtAlpha>{{0, 100}, {0.3, 120}, {2, 400}}));
  EXPECT_FALSE(surge_of_length(std::vector<LengthAtAlpha>{{0.3, 120}}));
}

}  // namespace
}  // namespace expo
