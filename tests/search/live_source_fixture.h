#pragma once

#include <gtest/gtest.h>

#include <algorithm>

#include "expo/core/disk/memory_filesystem.h"
#include "expo/search/live/live_source.h"
#include "search/fake_engine.h"

namespace expo {

inline constexpr const char* kFile = "/run/answers.jsonl";

/// A search of three α on four prompts with two samples each, over fakes and one filesystem.
class LiveSourceTest : public testing::Test {
 protected:
  static std::vector<ScoreRequest> everything() {
    std::vector<ScoreRequest> result;
    for (std::size_t candidate = 0; candidate < kAlphas.size(); ++candidate) {
      for (std::size_t prompt = 0; prompt < 4; ++prompt) {
        for (std::uint32_t sample = 0; sample < 2; ++sample)
          result.push_back({candidate, prompt, sample});
      }
    }
    return result;
  }

  /// One process: it opens the cache and asks for the scores.
  std::vector<Score> run(const std::vector<ScoreRequest>& requests) {
    AnswerCache cache(disk_, kFile);
    LiveScoreSource source = make(cache);
    std::vector<Score> scores = source.scores(requests);
    work_ = source.work();
    return scores;
  }

  LiveScoreSource make(AnswerCache& cache) {
    std::vector<LiveCandidate> candidates;
    for (const double alpha : kAlphas) candidates.push_back(uniform_candidate(alpha));
    return {{{&engine_, ""}}, candidates, prompts_, {&scorer_}, cache, options_, nullptr, token_};
  }

  /// What the fakes must come to, by themselves.
  Score truth(const ScoreRequest& request) const {
    const double alpha = kAlphas[request.candidate];
    const std::string id = "p" + std::to_string(request.prompt);
    const std::size_t whole = FakePolicy::words(alpha, id, request.sample);
    const std::size_t count = std::min(whole, options_.answer.stop.max_tokens.value_or(whole));
    const std::string text = FakePolicy::text(alpha, id, request.sample, count);
    // Each word has an "é" and the "α" of a label, of two bytes each.
    return {.score = FakeScorer::value(text, request.sample),
            .length = static_cast<double>(text.size() - 2 * count),
            .tokens = count,
            .ending = count < whole ? Ending::length : Ending::stop};
  }

  void expect_truth(const std::vector<ScoreRequest>& requests, const std::vector<Score>& scores) {
    ASSERT_EQ(scores.size(), requests.size());
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const Score wanted = truth(requests[i]);
      EXPECT_EQ(scores[i].score, wanted.score);
      EXPECT_EQ(scores[i].length, wanted.length);
      EXPECT_EQ(scores[i].tokens, wanted.tokens);
      EXPECT_EQ(scores[i].ending, wanted.ending);
    }
  }

  static inline const std::vector<double> kAlphas{0, -1, 2.5};
  MemoryFilesystem disk_;
  FakePolicy engine_;
  FakeScorer scorer_;
  std::vector<Prompt> prompts_ = fake_prompts(4);
  LiveOptions options_{.answer = {}, .samples = 2};
  CancellationToken token_;
  LiveWork work_;
};

}  // namespace expo
