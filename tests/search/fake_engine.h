#pragma once

#include <string>
#include <vector>

#include "expo/core/error.h"
#include "expo/engine/engine.h"
#include "expo/search/live/answer_scorer.h"
#include "search/fake_source.h"

namespace expo {

/// A policy whose answers are words, as many as α, the prompt's id and the sample say, and which
/// remembers all that it did. Its answers come from the last task to the first.
class FakePolicy final : public Engine {
 public:
  /// The number of words of an answer that no limit ends.
  static std::size_t words(double alpha, const std::string& id, std::uint32_t sample) {
    return static_cast<std::size_t>(
        6 + 5 * jitter(std::hash<double>()(alpha), std::hash<std::string>()(id), sample));
  }
  static std::string text(double alpha, const std::string& id, std::uint32_t sample,
                          std::size_t words) {
    std::string result;
    for (std::size_t i = 0; i < words; ++i)
      result += id + "é" + std::to_string(sample) + "@" + label_of(alpha) + " ";
    return result;
  }

  EngineDescription describe() const override {
    EngineDescription result{.name = "fake", .kind = "test"};
    result.identity = {{"alpha", alpha_}, {"version", version}};
    return result;
  }
  Json digests(const CancellationToken&) const override { return {{"model", digest}}; }
  void move_to(const AlphaSchedule& alpha, const CancellationToken&) override {
    moves.push_back(alpha.description());
    alpha_ = alpha.uniform().value_or(0);
  }
  AnswerStatistics answer(std::span<const Conversation> prompts, std::span<const AnswerTask> tasks,
                          const AnswerOptions& options, const AnswerSink& sink,
                          const TokenSink& advance, const CancellationToken&) override {
    for (auto task = tasks.rbegin(); task != tasks.rend(); ++task) {
      const std::string& id = prompts[task->prompt].id;
      if (answered.size() >= fails_after) throw environment_error("the engine died");
      const std::size_t whole = words(alpha_, id, task->sample);
      const std::size_t count = std::min(whole, options.stop.max_tokens.value_or(whole));
      const bool is_cut = count < whole;
      answered.push_back(id + "/" + std::to_string(task->sample) + "@" + label_of(alpha_));
      advance(count - task->begun.size());
      sink({*task, text(alpha_, id, task->sample, count),
            is_cut ? FinishReason::length : FinishReason::stop, count,
            std::vector<TokenId>(goes_on && is_cut ? count : 0, 7)});
    }
    return {.tokens = 0, .seconds = 1, .peak_batch = 1};
  }
  /// Each token gets the same: α minus its length.
  std::vector<std::vector<float>> log_probs(std::span<const Conversation> answered_ones,
                                            const TokenSink&, const CancellationToken&) override {
    std::vector<std::vector<float>> result;
    for (const Conversation& one : answered_ones) {
      const std::string answer = content_text(one.chat.messages.back());
      const auto count = static_cast<std::size_t>(std::ranges::count(answer, ' ') + 1);
      const double each = alpha_ * static_cast<double>(answer.size()) / 100 - 2;
      result.emplace_back(count, static_cast<float>(each));
    }
    return result;
  }

  std::string digest = "d1";
  int version = 1;
  std::size_t fails_after = SIZE_MAX;
  bool goes_on = false;  ///< from answers that were cut
  std::vector<std::string> moves;
  std::vector<std::string> answered;  ///< "id/sample@α = 1" each

 private:
  double alpha_ = 0;
};

/// Scores an answer by its bytes and sample; counts what it has judged.
class FakeScorer final : public AnswerScorer {
 public:
  static double value(std::string_view text, std::uint32_t sample) {
    return static_cast<double>(text.size()) / 7 + sample;
  }
  void score(std::span<const ScorableAnswer> answers, const Sink& sink,
             const CancellationToken&) override {
    for (std::size_t i = 0; i < answers.size(); ++i) {
      if (judged.size() >= fails_after) throw environment_error("the scorer died");
      judged.emplace_back(answers[i].text);
      sink(i, value(answers[i].text, answers[i].sample) + offset);
    }
  }
  void finish() override {
    if (!fails_at_end) return;
    doubtful = true;
    throw input_error("the scorer's scores are shifted");
  }
  bool is_doubtful() const override { return doubtful; }
  Json identity() const override { return {{"fake", offset}}; }
  std::string name() const override { return "fake scorer"; }

  double offset = 0;
  std::size_t fails_after = SIZE_MAX;
  bool fails_at_end = false;
  bool doubtful = false;
  std::vector<std::string> judged;
};

inline std::vector<Prompt> fake_prompts(std::size_t count) {
  std::vector<Prompt> result;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string id = "p" + std::to_string(i);
    result.push_back({id,
                      {user_turn("question " + id)},
                      {{"prompt", "question " + id}, {"level", i}},
                      "dev.jsonl:" + std::to_string(i + 1)});
  }
  return result;
}

/// Answers to the prompts of the same places, to be scored; both must outlive the result.
inline std::vector<ScorableAnswer> scorable(const std::vector<Prompt>& prompts,
                                            const std::vector<std::string>& texts) {
  std::vector<ScorableAnswer> result;
  for (std::size_t i = 0; i < texts.size(); ++i)
    result.push_back({&prompts[i], 0, texts[i], FinishReason::stop});
  return result;
}

/// What a scorer says of each answer; −1 where it says nothing.
inline std::vector<double> scores_of(AnswerScorer& scorer, std::span<const ScorableAnswer> answers,
                                     const CancellationToken& token) {
  std::vector<double> result(answers.size(), -1);
  scorer.score(
      answers, [&](std::size_t i, double score) { result.at(i) = score; }, token);
  return result;
}

}  // namespace expo
