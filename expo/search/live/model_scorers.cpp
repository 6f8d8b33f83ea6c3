#include "expo/search/live/model_scorers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "expo/core/error.h"
#include "expo/search/live/engine_identity.h"

namespace expo {
namespace {

/// Conversations that an engine gets at once: scores are certain, and an interruption is seen,
/// after each batch.
constexpr std::size_t kBatch = 16;

Conversation conversation_of(const ScorableAnswer& answer) {
  Conversation result{answer.prompt->chat, answer.prompt->id, place_of(answer)};
  result.chat.messages.push_back(assistant_turn(std::string(answer.text)));
  return result;
}

void check_fit(std::span<const Conversation> conversations,
               const std::optional<std::vector<std::size_t>>& counts,
               const EngineDescription& engine) {
  for (std::size_t i = 0; counts && engine.context > 0 && i < conversations.size(); ++i) {
    if (counts->at(i) <= engine.context) continue;
    throw input_error(fmt::format(
        "{}: the prompt and its answer have {} tokens, and the context of {} holds {}; give a "
        "smaller limit of tokens, or leave the prompt out",
        conversations[i].place, counts->at(i), engine.name, engine.context));
  }
}

/// Calls work(first, conversations) for batch after batch.
template <typename Work>
void in_batches(std::span<const ScorableAnswer> answers, const CancellationToken& cancellation,
                Work&& work) {
  for (std::size_t first = 0; first < answers.size(); first += kBatch) {
    cancellation.check();
    std::vector<Conversation> batch;
    for (const auto& answer : answers.subspan(first, std::min(kBatch, answers.size() - first)))
      batch.push_back(conversation_of(answer));
    work(first, batch);
  }
}

void ignore_tokens(std::uint64_t /*tokens*/) {}

class RewardScorer final : public AnswerScorer {
 public:
  RewardScorer(Engine& engine, const CancellationToken& cancellation)
      : engine_(engine), cancellation_(cancellation) {
    identity_ = {{"reward_model", identity_with_digests(engine, cancellation)}};
  }

  void score(std::span<const ScorableAnswer> answers, const Sink& sink,
             const CancellationToken& cancellation) override {
    in_batches(answers, cancellation, [&](std::size_t first, const auto& batch) {
      const auto rewards = ask(batch, cancellation);
      for (std::size_t i = 0; i < rewards.size(); ++i) sink(first + i, rewards[i]);
    });
  }

  Json identity() const override { return identity_; }
  std::string name() const override { return "reward model " + engine_.describe().name; }

  void check(const std::vector<Prompt>& prompts) const override {
    if (prompts.empty()) return;
    const ScorableAnswer trial{&prompts.front(), 0, "Yes.", FinishReason::stop};
    ask(std::vector{conversation_of(trial)}, cancellation_);
  }

 private:
  std::vector<double> ask(const std::vector<Conversation>& batch,
                          const CancellationToken& cancellation) const {
    check_fit(batch, engine_.count_tokens(batch), engine_.describe());
    std::vector<double> result;
    for (const auto& labels : engine_.rewards(batch, ignore_tokens, cancellation)) {
      if (labels.size() != 1) refuse(labels.size());
      result.push_back(labels.front());
    }
    return result;
  }

  [[noreturn]] void refuse(std::size_t labels) const {
    throw usage_error(
        fmt::format("{}: has a head with {} labels, which make no one score; a reward model with "
                    "one label is needed",
                    engine_.describe().name, labels));
  }

  Engine& engine_;
  const CancellationToken& cancellation_;
  Json identity_;
};

class ImplicitScorer final : public AnswerScorer {
 public:
  ImplicitScorer(Engine& policy, const CancellationToken& cancellation) : policy_(policy) {
    identity_ = {{"implicit", identity_with_digests(policy, cancellation)}};
  }

  void score(std::span<const ScorableAnswer> answers, const Sink& sink,
             const CancellationToken& cancellation) override {
    if (answers.empty()) return;
    const auto aligned = at(0, answers, cancellation);
    const auto sft = at(-1, answers, cancellation);
    for (std::size_t i = 0; i < answers.size(); ++i) sink(i, aligned[i].sum - sft[i].sum);
  }

  Json identity() const override { return identity_; }
  std::string name() const override { return "implicit reward of " + policy_.describe().name; }

 private:
  std::vector<AnswerLogProb> at(double alpha, std::span<const ScorableAnswer> answers,
                                const CancellationToken& cancellation) {
    policy_.move_to(AlphaSchedule(alpha), cancellation);
    return answer_log_probs(policy_, answers, cancellation);
  }

  Engine& policy_;
  Json identity_;
};

}  // namespace

std::vector<AnswerLogProb> answer_log_probs(Engine& engine, std::span<const ScorableAnswer> answers,
                                            const CancellationToken& cancellation) {
  std::vector<ScorableAnswer> some;  // an empty answer has no token that could be asked for
  for (const ScorableAnswer& answer : answers)
    if (!answer.text.empty()) some.push_back(answer);
  std::vector<AnswerLogProb> known;
  in_batches(some, cancellation, [&](std::size_t, const auto& batch) {
    check_fit(batch, engine.count_log_prob_tokens(batch), engine.describe());
    for (const auto& tokens : engine.log_probs(batch, ignore_tokens, cancellation))
      known.push_back({std::accumulate(tokens.begin(), tokens.end(), 0.0), tokens.size()});
  });
  std::vector<AnswerLogProb> result;
  auto next = known.begin();
  for (const ScorableAnswer& answer : answers)
    result.push_back(answer.text.empty() ? AnswerLogProb{} : *next++);
  return result;
}

std::unique_ptr<AnswerScorer> reward_scorer(Engine& reward_model,
                                            const CancellationToken& cancellation) {
  return std::make_unique<RewardScorer>(reward_model, cancellation);
}

std::unique_ptr<AnswerScorer> implicit_scorer(Engine& policy,
                                              const CancellationToken& cancellation) {
  return std::make_unique<ImplicitScorer>(policy, cancellation);
}

}  // namespace expo
