#include "expo/generation/sequence_scores.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "expo/core/error.h"
#include "golden_model.h"

namespace expo {
namespace {

float range_of(const std::vector<float>& values) {
  const auto [low, high] = std::ranges::minmax_element(values);
  return *high - *low;
}

class RewardFamilies : public testing::TestWithParam<const char*> {};

TEST_P(RewardFamilies, GiveTheRewardsOfTransformers) {
  GoldenModel model(GetParam());
  const std::vector<std::vector<TokenId>> rows = {
      model.ids("input_ids_0"), model.ids("input_ids_1"), model.ids("input_ids_2")};
  const auto expected = model.values<float>("scores");
  for (const bool deterministic : {false, true}) {
    const auto scores =
        rewards(model.decoder, rows, {.chunk_tokens = 50, .deterministic = deterministic},
                CancellationToken());
    for (std::size_t i = 0; i < rows.size(); ++i)
      EXPECT_NEAR(scores[i].at(0), expected[i], 1e-4F * range_of(expected)) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(All, RewardFamilies,
                         testing::Values("llama_reward", "mistral_reward", "qwen2_reward",
                                         "gemma2_reward"),
                         [](const auto& test) { return std::string(test.param); });

TEST(AnswerLogProbs, AreThoseOfTransformers) {
  GoldenModel model("llama");
  const auto ids = model.ids("input_ids");
  const auto expected = model.values<float>("log_probs");
  std::vector<AnsweredPrompt> answered;
  for (const std::size_t start : {1, 7, 39, 40}) answered.push_back({ids, start});
  const auto result =
      answer_log_probs(model.decoder, answered, {.chunk_tokens = 90}, CancellationToken());
  for (std::size_t i = 0; i < answered.size(); ++i) {
    const std::size_t start = answered[i].answer_start;
    ASSERT_EQ(result[i].size(), ids.size() - start);
    for (std::size_t j = 0; j < result[i].size(); ++j)
      EXPECT_NEAR(result[i][j], expected[start - 1 + j], 1e-4F);
  }
}

TEST(SequenceScores, RefuseTheOtherKindOfModelAndBadSequences) {
  GoldenModel language("llama");
  GoldenModel reward("llama_reward");
  const std::vector<std::vector<TokenId>> one = {{1, 2, 3}};
  const std::vector<AnsweredPrompt> answered = {{{1, 2, 3}, 1}};
  const CancellationToken go;
  EXPECT_THROW(rewards(language.decoder, one, {}, go), Error);
  EXPECT_THROW(answer_log_probs(reward.decoder, answered, {}, go), Error);
  for (const std::size_t length : {0, 129}) {
    const std::vector<std::vector<TokenId>> bad = {std::vector<TokenId>(length, 3)};
    EXPECT_THROW(rewards(reward.decoder, bad, {}, go), Error);
  }
  const std::vector<AnsweredPrompt> nowhere = {{{1, 2, 3}, 0}};
  EXPECT_THROW(answer_log_probs(language.decoder, nowhere, {}, go), Error);
}

TEST(Rewards, RefuseWhatIsNotFinite) {
  const TemporaryFolder folder;
  GoldenModel model(write_damaged(folder, "llama_reward", "score.weight",
                                  std::numeric_limits<float>::infinity()));
  const std::vector<std::vector<TokenId>> one = {{1, 2, 3}};
  EXPECT_THROW(rewards(model.decoder, one, {}, CancellationToken()), Error);
}

}  // namespace
}  // namespace expo
