#include "expo/search/live/preference_source.h"

#include <gtest/gtest.h>

#include <cmath>

#include "expo/core/disk/memory_filesystem.h"
#include "search/fake_engine.h"
#include "support/contains.h"

namespace expo {
namespace {

constexpr const char* kFile = "/run/pairs.jsonl";

/// FakePolicy gives each of an answer's w words α · bytes / 100 − 2.
double log_prob(double alpha, const std::string& text) {
  const double words = static_cast<double>(std::ranges::count(text, ' ') + 1);
  return words * static_cast<float>(alpha * static_cast<double>(text.size()) / 100 - 2);
}

class PreferenceSourceTest : public testing::Test {
 protected:
  PreferenceSourceTest() {
    const std::pair<const char*, const char*> texts[] = {
        {"a long answer", "short"}, {"no", "not at all"}, {"yes é", "well"}};
    for (const auto& [chosen, rejected] : texts) {
      const std::string number = std::to_string(pairs_.size());
      pairs_.push_back({number,
                        {user_turn("q" + number)},
                        assistant_turn(chosen),
                        assistant_turn(rejected),
                        "pairs.jsonl:" + number});
    }
  }

  PreferenceSource make(PairCache& cache) {
    return {{{&engine_, ""}},
            {uniform_candidate(0), uniform_candidate(3)},
            pairs_,
            cache,
            options_,
            nullptr,
            token_};
  }

  std::vector<double> run() {
    PairCache cache(disk_, kFile);
    std::vector<double> result;
    for (const Score& score : make(cache).scores(kAll)) result.push_back(score.score);
    return result;
  }

  const std::vector<ScoreRequest> kAll{{1, 0, 0}, {0, 1, 0}, {1, 2, 0}, {1, 1, 0}, {1, 0, 0}};
  MemoryFilesystem disk_;
  FakePolicy engine_;
  std::vector<Preference> pairs_;
  PreferenceOptions options_;
  CancellationToken token_;
};

TEST_F(PreferenceSourceTest, CountsPairsWhoseChosenAnswerIsLikelierByToken) {
  // At α = 0 all tokens are equal, which is no win; above it the longer text wins.
  EXPECT_EQ(run(), (std::vector<double>{1, 0, 1, 0, 1}));
  EXPECT_EQ(engine_.moves, (std::vector<std::string>{"0", "3"}));
}

TEST_F(PreferenceSourceTest, GivesTheNegativeOfDposLoss) {
  options_ = {.measure = PreferenceMeasure::dpo_loss, .beta = 0.5};
  const auto scores = run();
  for (std::size_t i = 0; i < kAll.size(); ++i) {
    const double alpha = kAll[i].candidate == 0 ? 0 : 3;
    const Preference& pair = pairs_[kAll[i].prompt];
    const std::string chosen = content_text(pair.chosen), rejected = content_text(pair.rejected);
    const double margin = log_prob(alpha, chosen) - log_prob(-1, chosen) -
                          log_prob(alpha, rejected) + log_prob(-1, rejected);
    EXPECT_NEAR(scores[i], std::log(1 / (1 + std::exp(-0.5 * margin))), 1e-6);
  }
  EXPECT_EQ(engine_.moves, (std::vector<std::string>{"-1", "0", "3"}));
}

TEST_F(PreferenceSourceTest, ReadsFromItsFileWhatIsKnown) {
  const auto first = run();
  const std::string whole = disk_.read_text(kFile);
  const std::size_t moves = engine_.moves.size();
  EXPECT_EQ(run(), first);
  EXPECT_EQ(engine_.moves.size(), moves);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    disk_.write_text(kFile, whole.substr(0, size));
    EXPECT_EQ(run(), first);
  }
  // The other measure needs the reference only.
  engine_.moves.clear();
  options_.measure = PreferenceMeasure::dpo_loss;
  run();
  EXPECT_EQ(engine_.moves, std::vector<std::string>{"-1"});
}

TEST_F(PreferenceSourceTest, TellsLengthAndPrice) {
  PairCache cache(disk_, kFile);
  PreferenceSource source = make(cache);
  const Score score = source.scores(std::vector<ScoreRequest>{{1, 2, 0}})[0];
  EXPECT_EQ(score.length, 5);
  EXPECT_EQ(score.tokens, 3U);
  EXPECT_EQ(source.prompts(), 3U);
  EXPECT_EQ(source.candidate_at(5, 0), 2U);
}

TEST_F(PreferenceSourceTest, RefusesWhatMakesNoSense) {
  PairCache cache(disk_, kFile);
  options_ = {.measure = PreferenceMeasure::dpo_loss, .beta = 0};
  EXPECT_THROW(make(cache), Error);
  options_.beta = 0.1;
  const std::vector<LiveCandidate> alone{{{0, "a model", 0}, 0, std::nullopt}};
  EXPECT_THROW(PreferenceSource({{&engine_, ""}}, alone, pairs_, cache, options_, nullptr, token_),
               Error);
}

}  // namespace
}  // namespace expo
