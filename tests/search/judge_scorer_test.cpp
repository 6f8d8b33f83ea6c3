#include "expo/search/live/judge_scorer.h"

#include <gtest/gtest.h>

#include "evaluation/fake_chat_model.h"
#include "expo/core/disk/memory_filesystem.h"
#include "search/live_source_fixture.h"
#include "support/contains.h"
#include "support/refusal.h"

namespace expo {
namespace {

/// A file in memory with a template that is short enough to be read here.
constexpr const char* kTemplate = "/judge.prompt";
constexpr const char* kText = "<|im_start|>user\n{instruction}|{output_1}|{output_2}\n<|im_end|>\n";

/// Prefers by the texts' lengths alone, whatever their order: longer is better.
double share(double first, double second) {
  return first / (first + second);
}

ChatReply reply_by_length(const ChatRequest& request) {
  const std::string text = request.messages.at(0).at("content").get<std::string>();
  const std::size_t one = text.find('|');
  const std::size_t two = text.find('|', one + 1);
  return reply_for(share(static_cast<double>(two - one), static_cast<double>(text.size() - two)));
}

class JudgeScorerTest : public LiveSourceTest {
 protected:
  JudgeScorerTest() { disk_.write_text(kTemplate, kText); }

  std::unique_ptr<AnswerScorer> scorer(const FakeChatModel::Answer& answer,
                                       std::optional<double> budget = {}) {
    JudgeOptions options;
    options.sampling.model = "judge";
    options.prices = TokenPrices{.prompt = 10, .completion = 30};
    options.budget = budget;
    auto model = std::make_unique<FakeChatModel>(answer);
    model_ = model.get();
    return judge_scorer(disk_, {std::move(model), kTemplate, "/run/replies.jsonl", options});
  }
  std::unique_ptr<AnswerScorer> by_length(std::optional<double> budget = {}) {
    return scorer(
        [](const ChatRequest& request, std::uint64_t) { return reply_by_length(request); }, budget);
  }
  std::vector<ScorableAnswer> answers(const std::vector<std::string>& texts,
                                      const std::string& baseline) {
    asked_ = fake_prompts(texts.size());
    auto all = scorable(asked_, texts);
    for (ScorableAnswer& each : all) each.baseline = baseline;
    return all;
  }

  std::vector<Prompt> asked_;
  FakeChatModel* model_ = nullptr;
};

TEST_F(JudgeScorerTest, GivesThePreferenceOverTheBaselineWhateverTheirOrder) {
  const auto judge = by_length();
  std::vector<std::string> texts;
  for (std::size_t i = 1; i <= 20; ++i) texts.push_back(std::string(i, 'x'));
  const std::string baseline(6, 'y');
  const auto scores = scores_of(*judge, answers(texts, baseline), token_);
  for (std::size_t i = 0; i < texts.size(); ++i)
    EXPECT_NEAR(scores[i], share(static_cast<double>(i) + 2, 7), 1e-12);
  EXPECT_EQ(model_->asked.size(), 20U);
  EXPECT_EQ(scores_of(*judge, answers({baseline}, baseline), token_).front(), 0.5);
  EXPECT_EQ(judge->name(), "judge judge");
}

TEST_F(JudgeScorerTest, NamesTheAnswerThatItHasNoPreferenceAboutAndPassesTheOthersOn) {
  const auto judge = scorer([](const ChatRequest& request, std::uint64_t) -> ChatReply {
    if (request.id == 1) return {.failure = "HTTP 400: no", .is_final = true};
    return reply_by_length(request);
  });
  const std::vector<std::string> texts{"a", "bb", "ccc"};
  const auto all = answers(texts, "yy");
  std::vector<std::size_t> passed;
  const std::string message = refusal(ErrorCategory::environment, [&] {
    judge->score(
        all, [&](std::size_t index, double) { passed.push_back(index); }, token_);
  });
  EXPECT_TRUE(contains(message, "dev.jsonl:2, sample 0: there is no preference: HTTP 400: no"));
  EXPECT_EQ(passed, (std::vector<std::size_t>{0, 2}));
}

TEST_F(JudgeScorerTest, KeepsOneBudgetOverAllThatItIsAsked) {
  // Each reply is counted at 500 tokens and 1, which is 0.00503 dollars; a request reserves less.
  const auto judge = by_length(0.0105);
  std::uint64_t judged = 0;
  for (std::size_t round = 0; round < 6; ++round) {
    std::vector<std::string> texts;
    for (std::size_t i = 1; i <= 2; ++i) texts.push_back(std::string(i + 2 * round, 'x'));
    const auto all = answers(texts, "yyyyy y");
    try {
      judge->score(
          all, [&](std::size_t, double) { ++judged; }, token_);
    } catch (const Error& error) {
      EXPECT_TRUE(contains(error.what(), "the budget of $0.0105 did not suffice"));
    }
  }
  EXPECT_EQ(judged, 2U);
  EXPECT_EQ(model_->asked.size(), 2U);
}

TEST_F(JudgeScorerTest, ComparesEachCandidateWithTheBaselineInASearch) {
  const auto judge = by_length();
  AnswerCache cache(disk_, kFile);
  const auto source_over = [&](AnswerScorer& scorer) {
    std::vector<LiveCandidate> candidates;
    for (const double alpha : kAlphas) candidates.push_back(uniform_candidate(alpha));
    return LiveScoreSource({{&engine_, ""}}, candidates, prompts_, {&scorer}, cache, options_,
                           nullptr, token_);
  };
  LiveScoreSource source = source_over(*judge);
  source.compare_with(0);
  // The last candidate alone: the baseline is answered too.
  const std::vector<ScoreRequest> requests{{2, 0, 0}, {2, 1, 1}, {2, 3, 0}};
  const auto scores = source.scores(requests);
  EXPECT_EQ(engine_.answered.size(), 6U);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const auto length = [&](double alpha) {
      const std::string id = "p" + std::to_string(requests[i].prompt);
      const std::size_t words = FakePolicy::words(alpha, id, requests[i].sample);
      return static_cast<double>(FakePolicy::text(alpha, id, requests[i].sample, words).size());
    };
    EXPECT_NEAR(scores[i].score, share(length(2.5) + 1, length(0) + 1), 0.02);
    EXPECT_EQ(source.scores_of(requests[i]).front(), scores[i].score);
    EXPECT_FALSE(source.scores_of({1, requests[i].prompt, requests[i].sample}).front());
  }
  EXPECT_EQ(source.scores(std::vector<ScoreRequest>{{0, 0, 0}}).front().score, 0.5);
  const std::size_t asked = model_->asked.size();
  LiveScoreSource later = source_over(*judge);
  later.compare_with(0);
  EXPECT_EQ(later.scores(requests).front().score, scores.front().score);
  EXPECT_EQ(model_->asked.size(), asked) << "what was judged is kept";
  // Against another baseline, the scores are others.
  later.compare_with(1);
  EXPECT_NE(later.scores(requests).front().score, scores.front().score);
}

}  // namespace
}  // namespace expo
