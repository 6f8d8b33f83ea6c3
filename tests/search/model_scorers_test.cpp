#include "expo/search/live/model_scorers.h"

#include <gtest/gtest.h>

#include "expo/core/disk/memory_filesystem.h"
#include "expo/search/live/answer_log_probs.h"
#include "expo/search/live/live_source.h"
#include "search/fake_engine.h"
#include "support/contains.h"
#include "support/refusal.h"

namespace expo {
namespace {

/// Rewards an answer by the bytes of the whole conversation.
class FakeRewardModel final : public Engine {
 public:
  EngineDescription describe() const override {
    return {.name = "RM", .kind = "test", .context = 40, .identity = {{"files", "rm"}}};
  }
  std::optional<std::vector<std::size_t>> count_tokens(
      std::span<const Conversation> conversations) override {
    std::vector<std::size_t> counts;
    for (const Conversation& one : conversations) counts.push_back(bytes(one));
    return counts;
  }
  std::vector<std::vector<float>> rewards(std::span<const Conversation> answered, const TokenSink&,
                                          const CancellationToken&) override {
    batches.push_back(answered.size());
    std::vector<std::vector<float>> result;
    for (const Conversation& one : answered)
      result.emplace_back(labels, static_cast<float>(bytes(one)) / 4);
    return result;
  }
  static std::size_t bytes(const Conversation& one) {
    std::size_t result = 0;
    for (const Json& turn : one.chat.messages) result += content_text(turn).size();
    return result;
  }

  std::size_t labels = 1;
  std::vector<std::size_t> batches;
};

class ModelScorersTest : public testing::Test {
 protected:
  std::vector<ScorableAnswer> answers(std::vector<std::string> texts) {
    prompts_ = fake_prompts(texts.size());
    texts_ = std::move(texts);
    return scorable(prompts_, texts_);
  }
  std::vector<double> score(AnswerScorer& scorer, const std::vector<ScorableAnswer>& all) {
    return scores_of(scorer, all, token_);
  }

  std::vector<Prompt> prompts_;
  std::vector<std::string> texts_;
  CancellationToken token_;
};

TEST_F(ModelScorersTest, RewardsPromptAndAnswer) {
  FakeRewardModel model;
  const auto scorer = reward_scorer(model, token_);
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < 20; ++i) texts.push_back(std::string(i, 'x'));
  const auto all = answers(texts);
  const auto scores = score(*scorer, all);
  for (std::size_t i = 0; i < 20; ++i) {
    const double prompt = i < 10 ? 11 : 12;  // "question p7"
    EXPECT_EQ(scores[i], (prompt + static_cast<double>(i)) / 4);
  }
  EXPECT_EQ(model.batches, (std::vector<std::size_t>{16, 4}));
  EXPECT_EQ(scorer->name(), "reward model RM");
}

TEST_F(ModelScorersTest, RefusesOtherModelsBeforeAnythingIsGenerated) {
  FakeRewardModel model;
  model.labels = 3;
  FakePolicy policy;
  FakePolicy language_model;
  MemoryFilesystem disk;
  AnswerCache cache(disk, "/run/answers.jsonl");
  const auto prompts = fake_prompts(2);
  const auto start = [&](Engine& engine) {
    const auto scorer = reward_scorer(engine, token_);
    LiveScoreSource({{&policy, ""}}, {uniform_candidate(0)}, prompts, {scorer.get()}, cache, {},
                    nullptr, token_);
  };
  const std::string labels = refusal(ErrorCategory::usage, [&] { start(model); });
  EXPECT_TRUE(contains(labels, "RM: has a head with 3 labels"));
  EXPECT_TRUE(contains(refusal(ErrorCategory::usage, [&] { start(language_model); }),
                       "fake (test): this engine cannot compute rewards"));
  EXPECT_TRUE(policy.answered.empty());
}

TEST_F(ModelScorersTest, NamesTheAnswerThatDoesNotFit) {
  FakeRewardModel model;
  const auto scorer = reward_scorer(model, token_);
  const auto all = answers({"short", std::string(30, 'x')});
  const std::string message = refusal(ErrorCategory::input, [&] { score(*scorer, all); });
  EXPECT_TRUE(contains(message, "dev.jsonl:2, sample 0")) << message;
  EXPECT_TRUE(contains(message, "41 tokens")) << message;
  EXPECT_TRUE(contains(message, "RM holds 40")) << message;
}

TEST_F(ModelScorersTest, TheImplicitRewardIsTheSumOfTheLogRatios) {
  FakePolicy policy;
  policy.move_to(AlphaSchedule(8), token_);
  const auto scorer = implicit_scorer(policy, token_);
  const auto scores = score(*scorer, answers({"one two three", "", "four"}));
  // FakePolicy gives each token α · bytes / 100 − 2.
  EXPECT_NEAR(scores[0], 3 * 13 / 100.0, 1e-6);
  EXPECT_EQ(scores[1], 0);
  EXPECT_NEAR(scores[2], 1 * 4 / 100.0, 1e-6);
  EXPECT_EQ(policy.moves, (std::vector<std::string>{"8", "0", "-1"}));
}

TEST_F(ModelScorersTest, IdentitiesDoNotDependOnWhereTheWeightsAre) {
  FakePolicy policy;
  const Json before = implicit_scorer(policy, token_)->identity();
  policy.move_to(AlphaSchedule(8), token_);
  EXPECT_EQ(implicit_scorer(policy, token_)->identity(), before);
  policy.digest = "other";
  EXPECT_NE(implicit_scorer(policy, token_)->identity(), before);
}

TEST_F(ModelScorersTest, ThePolicyMayJudgeItsOwnAnswers) {
  FakePolicy policy;
  MemoryFilesystem disk;
  AnswerCache cache(disk, "/run/answers.jsonl");
  const auto prompts = fake_prompts(3);
  const auto scorer = implicit_scorer(policy, token_);
  LiveScoreSource source({{&policy, ""}}, {uniform_candidate(0), uniform_candidate(2)}, prompts,
                         {scorer.get()}, cache, {}, nullptr, token_);
  const std::vector<ScoreRequest> requests{{0, 0, 0}, {1, 1, 0}};
  const auto scores = source.scores(requests);
  const auto again = source.scores(std::vector<ScoreRequest>{{1, 1, 0}, {1, 2, 0}});
  EXPECT_EQ(again[0].score, scores[1].score);
  EXPECT_EQ(policy.moves, (std::vector<std::string>{"0", "2", "0", "-1", "2", "0", "-1"}));
  EXPECT_EQ(policy.answered, (std::vector<std::string>{"p0/0@α = 0", "p1/0@α = 2", "p2/0@α = 2"}));
}

TEST_F(ModelScorersTest, LogProbabilitiesStopBetweenBatches) {
  FakePolicy policy;
  const auto all = conversations_of(answers({"a", "b"}));
  EXPECT_EQ(answer_log_probs(policy, all, token_)[1].tokens, 1U);
  token_.cancel();
  EXPECT_THROW(answer_log_probs(policy, all, token_), Error);
}

}  // namespace
}  // namespace expo
