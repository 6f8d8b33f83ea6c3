#pragma once

#include <cstdint>

namespace expo {

/// How the next token is chosen; names, meanings and neutral values are those of vLLM's
/// SamplingParams.
struct SamplingOptions {
  double temperature = 0;         ///< finite, ≥ 0; the logits are divided by it; 0: greedy
  std::int64_t top_k = 0;         ///< ≥ −1; keeps the k likeliest tokens; 0 or −1: all
  double top_p = 1;               ///< in (0, 1]; keeps the likeliest tokens that make up p; 1: all
  double min_p = 0;               ///< in [0, 1]; keeps tokens of p ≥ min_p · the likeliest's
  double presence_penalty = 0;    ///< in [−2, 2]; taken off each token of the output
  double frequency_penalty = 0;   ///< in [−2, 2]; the same, once for each time it occurs
  double repetition_penalty = 1;  ///< finite, > 0; scales tokens of prompt and output
  std::uint64_t seed = 0;
};

/// Throws Error(usage), naming the option, its value and the range above, for the first option that
/// is out of it (NaN always is).
void check(const SamplingOptions& options);

}  // namespace expo
