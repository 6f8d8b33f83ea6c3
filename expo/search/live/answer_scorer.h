#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
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
};

/// Judges answers, one number each: a reward model, a program, the pair itself. An equal answer
/// gets an equal score. Not thread-safe.
class AnswerScorer {
 public:
  using Sink = std::function<void(std::size_t index, double score)>;

  virtual ~AnswerScorer() = default;

  /// Passes the finite score of each answer to `sink`, with the answer's index, as soon as it is
  /// certain. Throws Error, naming the prompt where the fault is one answer's; scores that were
  /// passed before stand.
  virtual void score(std::span<const ScorableAnswer> answers, const Sink& sink,
                     const CancellationToken& cancellation) = 0;

  /// What decides its scores: they are kept and taken up again under it.
  virtual Json identity() const = 0;

  /// For progress and messages: "reward model RM".
  virtual std::string name() const = 0;

  /// Throws Error(input), naming the row, if answers to one of these prompts could not be judged,
  /// so that this shows before anything is generated.
  virtual void check(const std::vector<Prompt>& prompts) const;
};

/// "dev.jsonl:3, sample 1", to begin a message about an answer.
std::string place_of(const ScorableAnswer& answer);

}  // namespace expo
