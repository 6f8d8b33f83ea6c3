#include "expo/search/live/model_scorers.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "expo/core/error.h"
#include "expo/search/live/answer_log_probs.h"
#include "expo/search/live/engine_identity.h"

namespace expo {
namespace {

Conversation conversation_of(const ScorableAnswer& answer) {
  Conversation result{answer.prompt->chat, answer.prompt->id, place_of(answer)};
  result.chat.messages.push_back(assistant_turn(std::string(answer.text)));
  return result;
}

class RewardScorer final : public AnswerScorer {
 public:
  RewardScorer(Engine& engine, const CancellationToken& cancellation)
      : engine_(engine), cancellation_(cancellation) {
    identity_ = {{"reward_model", identity_with_digests(engine, cancellation)}};
  }

  void score(std::span<const ScorableAnswer> answers, const Sink& sink,
             const CancellationToken& cancellation) override {
    const auto all = conversations_of(answers);
    in_batches(all, kJudgedAtOnce, cancellation,
               [&](std::size_t first, std::span<const Conversation> batch) {
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
  std::vector<double> ask(std::span<const Conversation> batch,
                          const CancellationToken& cancellation) const {
    check_fit(batch, engine_.count_tokens(batch), engine_.describe());
    std::vector<double> result;
    for (const auto& labels : engine_.rewards(
             batch, [](std::uint64_t) {}, cancellation)) {
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
    const auto all = conversations_of(answers);
    const auto aligned = at(0, all, cancellation);
    const auto sft = at(-1, all, cancellation);
    for (std::size_t i = 0; i < answers.size(); ++i) sink(i, aligned[i].sum - sft[i].sum);
  }

  Json identity() const override { return identity_; }
  std::string name() const override { return "implicit reward of " + policy_.describe().name; }

 private:
  std::vector<AnswerLogProb> at(double alpha, std::span<const Conversation> answers,
                                const CancellationToken& cancellation) {
    policy_.move_to(AlphaSchedule(alpha), cancellation);
    return answer_log_probs(policy_, answers, cancellation);
  }

  Engine& policy_;
  Json identity_;
};

}  // namespace

std::vector<Conversation> conversations_of(std::span<const ScorableAnswer> answers) {
  std::vector<Conversation> result;
  std::ranges::transform(answers, std::back_inserter(result), conversation_of);
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
