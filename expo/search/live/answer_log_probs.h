#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "expo/engine/engine.h"

namespace expo {

/// The log-probability of an answer's text, given the prompt.
struct AnswerLogProb {
  double sum = 0;            ///< natural logarithm; 0 for an empty answer
  std::uint64_t tokens = 0;  ///< that it is the sum of

  double mean() const { return tokens == 0 ? 0 : sum / static_cast<double>(tokens); }
};

/// The most conversations that an engine judges at once: scores are certain, and an interruption is
/// seen, after each batch.
inline constexpr std::size_t kJudgedAtOnce = 16;

/// Calls work(first, batch) for batch after batch of at most `size`, where `first` is the number of
/// a batch's first element. Throws Error(interrupted) between them.
template <typename Element, typename Work>
void in_batches(const std::vector<Element>& all, std::size_t size,
                const CancellationToken& cancellation, const Work& work) {
  for (std::size_t first = 0; first < all.size(); first += size) {
    cancellation.check();
    work(first, std::span<const Element>(all).subspan(first, std::min(size, all.size() - first)));
  }
}

/// Throws Error(input) naming the first conversation that has more tokens than the engine's context
/// holds. Without counts, all fit.
void check_fit(std::span<const Conversation> answered,
               const std::optional<std::vector<std::size_t>>& counts,
               const EngineDescription& engine);

/// The log-probabilities of answers by the engine where it is now. Throws Error(input) naming an
/// answer that does not fit the context.
std::vector<AnswerLogProb> answer_log_probs(Engine& engine, std::span<const Conversation> answered,
                                            const CancellationToken& cancellation);

}  // namespace expo
