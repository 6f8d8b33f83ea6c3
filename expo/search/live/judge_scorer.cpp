#include "expo/search/live/judge_scorer.h"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>

#include "expo/core/error.h"

namespace expo {
namespace {

AnswerPairs pairs_of(std::span<const ScorableAnswer> answers) {
  AnswerPairs pairs{.baseline = "baseline", .model = "model"};
  for (const ScorableAnswer& answer : answers) {
    pairs.rows.push_back({.index = pairs.rows.size(),
                          .place = place_of(answer),
                          .instruction = judged_instruction(*answer.prompt),
                          .baseline_output = std::string(answer.baseline.value()),
                          .model_output = std::string(answer.text)});
  }
  return pairs;
}

class JudgeScorer final : public AnswerScorer {
 public:
  JudgeScorer(Filesystem& filesystem, AnswerJudge judge)
      : filesystem_(filesystem),
        judge_(std::move(judge)),
        template_(filesystem, judge_.prompt_template) {}

  void score(std::span<const ScorableAnswer> answers, const Sink& sink,
             const CancellationToken& cancellation) override {
    if (answers.empty()) return;
    if (!cache_) cache_.emplace(filesystem_, judge_.cache);
    const AnswerPairs pairs = pairs_of(answers);
    const JudgeResult result = ask(pairs, cancellation);
    for (std::size_t row = 0; row < result.rows.size(); ++row) {
      if (const auto preference = result.rows[row].preference) sink(row, *preference - 1);
    }
    const std::vector<std::string> failed = failure_warnings(pairs, result);
    if (failed.empty()) return;
    throw environment_error(fmt::format(
        "{}; if that stays so, leave the prompt out or take another judge", failed.front()));
  }

  bool compares() const override { return true; }
  std::string name() const override { return "judge " + judge_.options.sampling.model; }

  Json identity() const override {
    const ChatSampling& sampling = judge_.options.sampling;
    return {{"judge",
             {{"origin", judge_.model->origin()},
              {"model", sampling.model},
              {"template", template_.digest()}}}};
  }

  std::vector<std::string> warnings() const override {
    return {
        "a judge prefers longer answers: compare the length-controlled win rates that are shown "
        "with the result"};
  }

 private:
  JudgeResult ask(const AnswerPairs& pairs, const CancellationToken& cancellation) {
    JudgeOptions options = judge_.options;
    options.spent = spent_;
    const KnownAnnotations none;
    Judge judge(pairs, template_, judge_.model->origin(), options, none, *cache_);
    JudgeResult result = judge.run(*judge_.model, cancellation);
    spent_ += result.cost.value_or(0);
    return result;
  }

  Filesystem& filesystem_;
  AnswerJudge judge_;
  JudgeTemplate template_;
  std::optional<JudgeCache> cache_;
  double spent_ = 0;
};

}  // namespace

std::string judged_instruction(const Prompt& prompt) {
  const Json& messages = prompt.chat.messages;
  if (messages.size() == 1) return content_text(messages.front());
  std::string text;
  for (const Json& message : messages)
    text += fmt::format("{}{}: {}", text.empty() ? "" : "\n\n",
                        message.at("role").get<std::string>(), content_text(message));
  return text;
}

std::unique_ptr<AnswerScorer> judge_scorer(Filesystem& filesystem, AnswerJudge judge) {
  return std::make_unique<JudgeScorer>(filesystem, std::move(judge));
}

}  // namespace expo
