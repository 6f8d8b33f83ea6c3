#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

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

}  // namespace expo
