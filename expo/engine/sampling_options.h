#pragma once

#include <cstdint>

namespace expo {

/// How the next token is chosen; names, meanings and neutral values are those of vLLM's
/// SamplingParams.
struct SamplingOptions {
  double temperature = 0;         ///< finite, ≥ 0; the logits are divided by it; 0: greedy
  std::int64_t top_k = 0;         ///< ≥ −1; keeps the k most likely tokens; 0 or −1: all
  double top_p = 1;               ///< in (0, 1]; keeps the most likely tokens of total p; 1: all
  double min_p = 0;               ///< in [0, 1]; keeps tokens with p ≥ min_p · max(p)
  double presence_penalty = 0;    ///< in [−2, 2]; subtracted for each token in the output
  double frequency_penalty = 0;   ///< in [−2, 2]; the same, once per occurrence
  double repetition_penalty = 1;  ///< finite, > 0; scales logits of prompt and output tokens
  std::uint64_t seed = 0;
};

/// Throws Error(usage) for the first option that is outside its range (NaN always is), naming the
/// option, its value and the range.
void check(const SamplingOptions& options);

}  // namespace expo
