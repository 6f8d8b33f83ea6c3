#include "expo/search/live/drift.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "expo/core/disk/memory_filesystem.h"
#include "search/fake_engine.h"

namespace expo {
namespace {

/// FakePolicy gives each of an answer's w words α · bytes / 100 − 2, so log-ratios of two α are the
/// difference of these times bytes / 100.
class DriftTest : public testing::Test {
 protected:
  LiveScoreSource source(AnswerCache& cache) {
    return {{{&engine_, ""}, {&alone_, "alone"}},
            {uniform_candidate(-1), uniform_candidate(0), uniform_candidate(2)},
            prompts_,
            {&scorer_},
            cache,
            {},
            nullptr,
            token_};
  }
  std::vector<std::optional<Drift>> measure(LiveScoreSource& source, AnswerCache& cache) {
    std::vector<ScoreRequest> requests;
    for (std::size_t candidate = 0; candidate < source.candidates().size(); ++candidate) {
      for (const std::size_t prompt : asked_) requests.push_back({candidate, prompt, 0});
    }
    source.scores(requests);
    engine_.moves.clear();
    return measure_drift(source, cache, numbers(source.candidates().size()), asked_, nullptr,
                         token_);
  }

  /// Mean over words of (from − to) · bytes / 100 of the answers at `from`.
  double expected(double from, double to) const {
    double sum = 0;
    double words = 0;
    for (const std::size_t prompt : asked_) {
      const std::string& id = prompts_[prompt].id;
      const std::string text = FakePolicy::text(from, id, 0, FakePolicy::words(from, id, 0));
      const auto count = static_cast<double>(std::ranges::count(text, ' ') + 1);
      sum += count * (from - to) * static_cast<double>(text.size()) / 100;
      words += count;
    }
    return sum / words;
  }

  /// The spread of the ratio when answers are left out one by one (the jackknife), which nears the
  /// standard error.
  double jackknife(double from, double to) {
    const std::vector<std::size_t> all = asked_;
    std::vector<double> ratios;
    for (const std::size_t left_out : all) {
      asked_ = all;
      std::erase(asked_, left_out);
      ratios.push_back(expected(from, to));
    }
    asked_ = all;
    const auto n = static_cast<double>(all.size());
    double mean = 0;
    for (const double each : ratios) mean += each / n;
    double squares = 0;
    for (const double each : ratios) squares += (each - mean) * (each - mean);
    return std::sqrt(squares * (n - 1) / n);
  }

  MemoryFilesystem disk_;
  FakePolicy engine_;
  FakePolicy alone_;
  FakeScorer scorer_;
  std::vector<Prompt> prompts_ = fake_prompts(150);
  std::vector<std::size_t> asked_{5, 3, 8, 100, 101, 102, 103, 104, 105, 106,
                                  1, 2, 9, 110, 111, 112, 113, 114, 115, 116};
  CancellationToken token_;
};

TEST_F(DriftTest, IsTheMeanLogRatioOfATokenOfOwnAnswers) {
  AnswerCache cache(disk_, "/run/answers.jsonl");
  LiveScoreSource source = this->source(cache);
  const auto drifts = measure(source, cache);
  ASSERT_TRUE(drifts[0] && drifts[1] && drifts[2]);
  EXPECT_NEAR(drifts[0]->from_aligned, expected(-1, 0), 1e-5);
  EXPECT_EQ(drifts[0]->from_sft, 0);
  EXPECT_EQ(drifts[1]->from_aligned, 0);
  EXPECT_NEAR(drifts[1]->from_sft, expected(0, -1), 1e-5);
  EXPECT_NEAR(drifts[2]->from_aligned, expected(2, 0), 1e-5);
  EXPECT_NEAR(drifts[2]->from_sft, expected(2, -1), 1e-5);
  EXPECT_EQ(drifts[2]->answers, asked_.size());
  ASSERT_TRUE(drifts[2]->from_sft_error && drifts[2]->from_aligned_error);
  EXPECT_NEAR(*drifts[2]->from_sft_error / jackknife(2, -1), 1, 0.1);
  EXPECT_NEAR(*drifts[2]->from_aligned_error / jackknife(2, 0), 1, 0.1);
  EXPECT_EQ(drifts[0]->from_sft_error, 0);
  EXPECT_EQ(engine_.moves, (std::vector<std::string>{"-1", "0", "2"}));
}

TEST_F(DriftTest, NothingIsPaidTwice) {
  AnswerCache cache(disk_, "/run/answers.jsonl");
  LiveScoreSource first = source(cache);
  const auto drifts = measure(first, cache);
  AnswerCache reopened(disk_, "/run/answers.jsonl");
  LiveScoreSource second = source(reopened);
  const auto again = measure(second, reopened);
  EXPECT_TRUE(engine_.moves.empty());
  EXPECT_EQ(again[2]->from_sft, drifts[2]->from_sft);
  EXPECT_EQ(again[2]->tokens, drifts[2]->tokens);
}

TEST_F(DriftTest, IsMeasuredOnSoManyAnswersAtMost) {
  AnswerCache cache(disk_, "/run/answers.jsonl");
  LiveScoreSource source = this->source(cache);
  asked_ = numbers(150);
  const auto drifts = measure(source, cache);
  EXPECT_LE(drifts[2]->answers, kDriftAnswers);
  EXPECT_GT(drifts[2]->answers, 0U);
}

TEST_F(DriftTest, IsUnknownOfAModelWithoutAPair) {
  AnswerCache cache(disk_, "/run/answers.jsonl");
  LiveScoreSource source = this->source(cache);
  LiveCandidate rival = uniform_candidate(0, 1);
  rival.schedule.reset();
  rival.candidate.family = 1;
  source.add(rival);
  const auto drifts = measure(source, cache);
  EXPECT_FALSE(drifts[3]);
  EXPECT_TRUE(drifts[2]);
  EXPECT_TRUE(alone_.moves.empty());
}

}  // namespace
}  // namespace expo
