#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "expo/core/json.h"
#include "expo/core/progress.h"
#include "expo/engine/stop_options.h"
#include "expo/text/prompts.h"

namespace expo {

/// A finished answer, as a scorer sees it.
struct ScorableAnswer {
  const Prompt* prompt = nullptr;  ///< with all columns of its row
  std::uint32_t sample = 0;
  std::string_view text;
  FinishReason finish = FinishReason::stop;
  /// The baseline's answer to the same prompt and sample, for scorers that compare.
  std::optional<std::string_view> baseline = {};
};

/// Judges answers, one number each: a reward model, a program, the pair itself. An equal answer
/// gets an equal score. Not thread-safe.
class AnswerScorer {
 public:
  using Sink = std::function<void(std::size_t index, double score)>;

  virtual ~AnswerScorer() = default;

  /// Passes the finite score of each answer to `sink`, with the answer's index, as soon as it is
  /// certain. Throws Error, naming the prompt where the fault is one answer's; scores that were
  /// passed before stand, unless is_doubtful() says otherwise then.
  virtual void score(std::span<const ScorableAnswer> answers, const Sink& sink,
                     const CancellationToken& cancellation) = 0;

  /// Ends what it keeps running, after the last answer. Throws Error(input) if that shows that
  /// scores which it has passed may be wrong.
  virtual void finish() {}

  /// Whether the failure of score() or finish() has shown that scores passed before may belong to
  /// other answers, from some unknown one on: none of them must be kept.
  virtual bool is_doubtful() const { return false; }

  /// Whether it judges answers beside the baseline's, which its scores then depend on, too.
  virtual bool compares() const { return false; }

  /// What decides its scores: they are kept and taken up again under it.
  virtual Json identity() const = 0;

  /// For progress and messages: "reward model RM".
  virtual std::string name() const = 0;

  /// Sentences about what its scores do not guard against.
  virtual std::vector<std::string> warnings() const { return {}; }

  /// Throws Error(input), naming the row, if answers to one of these prompts could not be judged,
  /// so that this shows before anything is generated.
  virtual void check(const std::vector<Prompt>& prompts) const;
};

/// "dev.jsonl:3, sample 1", to begin a message about an answer.
std::string place_of(const ScorableAnswer& answer);

}  // namespace expo
