#include "expo/generation/batch_generator.h"

#include <gtest/gtest.h>

#include <map>
#include <numeric>

#include "expo/core/error.h"
#include "golden_model.h"
#include "support/contains.h"

namespace expo {
namespace {

using Key = std::pair<std::size_t, std::uint32_t>;
using Answers = std::map<Key, GeneratedAnswer>;

struct Request {
  std::vector<PromptTokens> prompts;
  std::uint32_t samples = 1;
  SamplingOptions sampling = {};
  StopOptions stop = {.max_tokens = 64};
  BatchLimits limits = {};
};

Answers answer(GoldenModel& model, const Request& request,
               const CancellationToken& cancellation = {}) {
  std::vector<AnswerTask> tasks;
  for (std::size_t i = 0; i < request.prompts.size(); ++i) {
    for (std::uint32_t j = 0; j < request.samples; ++j) tasks.push_back({i, j});
  }
  const Tokenizer tokenizer = numbered_tokenizer(96);
  BatchGenerator generator(model.decoder, tokenizer, request.limits);
  Answers answers;
  generator.run(
      request.prompts, tasks, request.sampling, request.stop,
      [&](GeneratedAnswer done) {
        const Key key{done.task.prompt, done.task.sample};
        EXPECT_TRUE(answers.emplace(key, std::move(done)).second);
      },
      {}, cancellation);
  EXPECT_EQ(answers.size(), tasks.size());
  return answers;
}

/// Prompts of the given lengths, taken from the model's golden ids.
std::vector<PromptTokens> prompts_of(const GoldenModel& model, std::vector<std::size_t> lengths) {
  const auto ids = model.ids("input_ids");
  std::vector<PromptTokens> prompts;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    std::vector<TokenId> tokens;
    for (std::size_t j = 0; j < lengths[i]; ++j) tokens.push_back(ids[(j + 3 * i) % ids.size()]);
    prompts.push_back({tokens, 100 + i, "prompts.jsonl:" + std::to_string(i + 1)});
  }
  return prompts;
}

std::string refusal(GoldenModel& model, const Request& request) {
  try {
    answer(model, request);
  } catch (const Error& error) {
    return error.what();
  }
  return "no refusal";
}

class Families : public testing::TestWithParam<const char*> {};

TEST_P(Families, AnswersGreedilyAsTransformersWhateverRunsBeside) {
  GoldenModel model(GetParam());
  Request request{.prompts = prompts_of(model, {10, 3, 25, 17, 10})};
  request.limits.max_sequences = 3;
  const Answers answers = answer(model, request);
  EXPECT_EQ(answers.at({0, 0}).tokens, model.ids("greedy"));
  EXPECT_EQ(answers.at({0, 0}).finish, FinishReason::length);
}

/// The answer to a prompt's sample that goes on from the first tokens of another one.
GeneratedAnswer go_on(GoldenModel& model, const Request& request, const AnswerTask& task) {
  const Tokenizer tokenizer = numbered_tokenizer(96);
  std::vector<GeneratedAnswer> answers;
  // Another sample from the start runs beside it.
  const std::vector<AnswerTask> tasks{{task.prompt, task.sample + 1}, task};
  std::size_t drawn = 0;
  BatchGenerator(model.decoder, tokenizer, request.limits)
      .run(
          request.prompts, tasks, request.sampling, request.stop,
          [&](GeneratedAnswer done) {
            if (done.task.sample == task.sample) answers.push_back(std::move(done));
          },
          [&](std::size_t tokens) { drawn += tokens; }, {});
  EXPECT_EQ(answers.size(), 1U);
  return answers.at(0);
}

TEST_P(Families, GoesOnFromCutAnswersToTheSameBytes) {
  GoldenModel model(GetParam());
  Request request{.prompts = prompts_of(model, {10, 25})};
  request.sampling = {
      .temperature = 0.9, .top_p = 0.95, .presence_penalty = 0.4, .frequency_penalty = 0.3};
  request.sampling.seed = 7;
  request.stop = {.strings = {"t5 t6 t7"}, .max_tokens = 40};
  const Answers whole = answer(model, request);
  for (const std::size_t prefill : {4, 2048}) {
    request.limits.prefill_tokens = prefill;
    for (const std::size_t cut : {1, 2, 7, 16, 33, 39}) {
      for (const std::size_t prompt : {0, 1}) {
        const GeneratedAnswer& wanted = whole.at({prompt, 0});
        ASSERT_GT(wanted.tokens.size(), cut);
        const auto end = wanted.tokens.begin() + static_cast<std::ptrdiff_t>(cut);
        const GeneratedAnswer found =
            go_on(model, request, {prompt, 0, {wanted.tokens.begin(), end}});
        EXPECT_EQ(found.tokens, wanted.tokens) << cut;
        EXPECT_EQ(found.text, wanted.text);
        EXPECT_EQ(found.finish, wanted.finish);
      }
    }
  }
}

TEST(BatchGenerator, RefusesToGoOnFromWhatHasEnded) {
  GoldenModel model("llama");
  const Request request{.prompts = prompts_of(model, {10}), .stop = {.max_tokens = 3}};
  try {
    go_on(model, request, {0, 0, {5, 6, 7}});
    ADD_FAILURE() << "nothing was refused";
  } catch (const Error& error) {
    EXPECT_TRUE(contains(error.what(), "has ended already within its 3 tokens")) << error.what();
  }
}

INSTANTIATE_TEST_SUITE_P(All, Families,
                         testing::Values("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2",
                                         "olmo2", "smollm3"),
                         [](const auto& test) { return std::string(test.param); });

TEST(BatchGenerator, PrefillsALongPromptInPieces) {
  GoldenModel model("llama");
  Request request{.prompts = prompts_of(model, {10, 30})};
  request.limits.prefill_tokens = 4;
  EXPECT_EQ(answer(model, request).at({0, 0}).tokens, model.ids("greedy"));
}

TEST(BatchGenerator, DrawsTheSameInAnyCompanyWhenShapesAreFixed) {
  GoldenModel model("llama");
  Request all{.prompts = prompts_of(model, {10, 3, 25, 17, 10, 31}), .samples = 3};
  all.sampling = {.temperature = 0.9, .top_p = 0.95, .seed = 7};
  all.limits = {.max_sequences = 4, .deterministic = true};
  const Answers together = answer(model, all);
  for (const std::size_t index : {1, 4}) {
    Request alone = all;
    alone.prompts = {all.prompts[index]};
    const Answers single = answer(model, alone);
    for (std::uint32_t sample = 0; sample < 3; ++sample) {
      EXPECT_EQ(single.at({0, sample}).tokens, together.at({index, sample}).tokens);
      EXPECT_EQ(single.at({0, sample}).log_probability,
                together.at({index, sample}).log_probability);
    }
  }
  EXPECT_NE(together.at({0, 0}).tokens, together.at({0, 1}).tokens);
}

TEST(BatchGenerator, EndsAtStopTokensStopStringsAndTheLimit) {
  GoldenModel model("llama");
  const auto greedy = model.ids("greedy");
  Request request{.prompts = prompts_of(model, {10})};
  request.stop.tokens = {greedy[2]};
  const GeneratedAnswer at_token = answer(model, request).at({0, 0});
  EXPECT_EQ(at_token.tokens, std::vector<TokenId>(greedy.begin(), greedy.begin() + 3));
  EXPECT_EQ(at_token.finish, FinishReason::stop);
  const std::string first_two =
      "t" + std::to_string(greedy[0]) + " t" + std::to_string(greedy[1]) + " ";
  EXPECT_EQ(at_token.text, first_two);
  request.stop = {.strings = {std::to_string(greedy[2]) + " "}, .max_tokens = 64};
  const GeneratedAnswer at_string = answer(model, request).at({0, 0});
  EXPECT_EQ(at_string.text, first_two + "t");
  EXPECT_EQ(at_string.finish, FinishReason::stop);
  request.stop = {.max_tokens = 2};
  EXPECT_EQ(answer(model, request).at({0, 0}).text, first_two);
  EXPECT_EQ(answer(model, request).at({0, 0}).finish, FinishReason::length);
}

TEST(BatchGenerator, EndsWhereTheContextIsFull) {
  GoldenModel model("llama");
  Request request{.prompts = prompts_of(model, {126}), .stop = {}};
  EXPECT_EQ(answer(model, request).at({0, 0}).tokens.size(), 2U);
}

TEST(BatchGenerator, RefusesPromptsThatCannotBeAnswered) {
  GoldenModel model("llama");
  EXPECT_TRUE(contains(refusal(model, {.prompts = prompts_of(model, {5, 0})}),
                       "prompts.jsonl:2: the prompt has no token"));
  EXPECT_TRUE(contains(refusal(model, {.prompts = prompts_of(model, {5, 128})}),
                       "prompts.jsonl:2: the prompt has 128 tokens, and the model's context holds "
                       "128, answer included"));
  Request large{.prompts = prompts_of(model, {5, 30})};
  large.limits.cache_bytes = 1000;
  EXPECT_TRUE(contains(refusal(model, large),
                       "prompts.jsonl:2: the prompt's 30 tokens and an "
                       "answer of up to 64 take 1 MB of cache"));
  EXPECT_TRUE(contains(refusal(model, {.prompts = {{{5, 96}, 0, "p"}}}), "token id 96"));
}

TEST(BatchGenerator, RefusesLogitsThatAreNotNumbers) {
  const TemporaryFolder folder;
  GoldenModel model(
      write_damaged(folder, "llama", "model.norm.weight", std::numeric_limits<float>::quiet_NaN()));
  EXPECT_TRUE(contains(refusal(model, {.prompts = prompts_of(model, {5})}), "NaN"));
}

TEST(BatchGenerator, StopsWhenCancelled) {
  GoldenModel model("llama");
  CancellationToken cancellation;
  cancellation.cancel();
  EXPECT_THROW(answer(model, {.prompts = prompts_of(model, {5})}, cancellation), Error);
}

TEST(BatchGenerator, RefusesARewardModel) {
  GoldenModel model("llama_reward");
  EXPECT_TRUE(contains(refusal(model, {}), "a reward model writes no answers"));
}

}  // namespace
}  // namespace expo
