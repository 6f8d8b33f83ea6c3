#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "expo/core/progress.h"
#include "expo/search/live/live_source.h"

namespace expo {

/// How far a candidate has gone from the two models that it is made of: the mean over the tokens
/// of its own answers of log π_α(y_t) − log π(y_t), at temperature 1, in natural logarithms. It
/// estimates the Kullback-Leibler divergence of a token, exactly so only for answers that were
/// drawn at temperature 1 without filters.
struct Drift {
  double from_aligned = 0;  ///< θ, the candidate's pair at α = 0
  double from_sft = 0;      ///< θ_sft, its pair at α = −1
  /// Standard errors over answers, as of ratios of sums; std::nullopt of fewer than two answers.
  std::optional<double> from_aligned_error = {};
  std::optional<double> from_sft_error = {};
  std::size_t answers = 0;   ///< that were judged
  std::uint64_t tokens = 0;  ///< of their texts, tokenised anew, without an end token
};

/// The most answers of each candidate that its drift is measured on.
inline constexpr std::size_t kDriftAnswers = 64;

/// Measures the drift of some candidates of a source on their answers to the first of these prompts
/// (one sample each, kDriftAnswers at most, those that are there): std::nullopt for one that is no
/// α of a pair, has no answer with a token, or whose log-probabilities are not finite. An answer
/// whose text does not fit the context is left out. Moves each pair's engine once to each
/// candidate, θ and θ_sft, unless all is known: `cache`, which must be the source's own, keeps the
/// log-probabilities as it keeps scores. Throws what the engines throw.
std::vector<std::optional<Drift>> measure_drift(const LiveScoreSource& source, AnswerCache& cache,
                                                std::span<const std::size_t> candidates,
                                                std::span<const std::size_t> prompts,
                                                RowProgress* progress,
                                                const CancellationToken& cancellation);

}  // namespace expo
