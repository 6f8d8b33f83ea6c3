#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "expo/engine/sampling_options.h"
#include "expo/text/tokenizer.h"

namespace expo {

/// The distinct tokens of one sample so far, as the penalties need them. A copy made after the
/// prompt serves another sample of the same prompt. Not thread-safe.
class TokenCounts {
 public:
  /// A token that occurred.
  struct Entry {
    TokenId token;
    std::uint32_t outputs;  ///< occurrences in the output; 0: only in the prompt
  };

  explicit TokenCounts(std::span<const TokenId> prompt = {});
  void add_output(TokenId token);
  /// One entry for each distinct token, in order of first occurrence; valid until the next
  /// add_output.
  std::span<const Entry> entries() const noexcept { return entries_; }

 private:
  Entry& entry(TokenId token);

  std::vector<Entry> entries_;
  std::unordered_map<TokenId, std::size_t> places_;
};

/// Identifies one of a run's draws.
struct DrawKey {
  std::uint64_t prompt = 0;  ///< an id that stays with the prompt, whatever runs beside it
  std::uint32_t sample = 0;  ///< number of the sample among those of the prompt
  std::uint32_t step = 0;    ///< number of the token in the sample's output
};

/// The random number of a draw, uniform in [0, 1) and a multiple of 2⁻⁵³. It comes from one
/// Philox4x32-10 block (philox.h) whose key is the seed and whose counter's words are, least
/// significant first, {step, sample, low half of prompt, high half of prompt}: no two draws under a
/// seed share a block. The block's first two words form a 64-bit number, with the second word on
/// top, whose upper 53 bits are used. Thread-safe.
double uniform_draw(std::uint64_t seed, const DrawKey& key) noexcept;

/// The outcome of a draw.
struct Draw {
  TokenId token;
  /// Natural logarithm of the probability with which this token was drawn, after all options were
  /// applied (vLLM's logprobs_mode processed_logprobs for random draws); 0 for a greedy draw.
  double log_probability;
};

/// Chooses tokens by logits as the sampler of vLLM's V1 engine does, in its order
/// (vllm/v1/sample/sampler.py, ops/penalties.py, ops/topk_topp_sampler.py and
/// logits_processor/builtin.py):
///   1. repetition penalty r: each token of the prompt or the output has its logit divided by r
///      if it is positive, and else multiplied by r;
///   2. frequency and presence penalty: logit −= frequency · count, and −= presence if the output
///      holds the token;
///   3. temperature 0: the highest logit wins, and among equals the lowest id; this ends a greedy
///      draw;
///   4. division by the temperature;
///   5. min_p: tokens with p < min_p · max(p) are removed;
///   6. top_k: tokens below the k-th highest logit are removed; all that equal it stay, so more
///   than
///      k may stay;
///   7. top_p, over the softmax of the rest: a token stays while those before it, in descending
///      order, make up less than top_p; the most likely token always stays;
///   8. softmax of the rest, and the draw: the first token, by id, at which the cumulative
///      probability exceeds uniform_draw().
/// It differs from vLLM in these points: the random numbers are others; sums and probabilities are
/// float64; of equal logits at top_p's edge the lowest ids stay (vLLM leaves the choice to an
/// unstable sort); temperatures in (0, 0.01) are used as they are, whereas vLLM raises them to 0.01
/// against overflows of float32; and a penalised logit saturates at float32's range.
///
/// Holds its scratch memory, at most 40 bytes for each token of the vocabulary. Not thread-safe:
/// use one sampler for each thread.
class Sampler {
 public:
  /// `vocabulary` is the number of logits. Throws Error(usage) as check(options) does,
  /// and for a vocabulary of 0 or more than 2³² tokens.
  Sampler(SamplingOptions options, std::size_t vocabulary);

  /// Draws from `logits`, one for each token id, in which −∞ rules a token out; the penalties are
  /// applied to them in place. The result depends only on the logits, the counts, the options
  /// (including their seed) and the key. Throws Error(usage) unless there are `vocabulary` logits
  /// and, if a penalty is set, all counted tokens are among them; throws Error(input) for a NaN or
  /// +∞ among the logits, and if all are −∞.
  Draw draw(std::span<float> logits, const TokenCounts& counts, const DrawKey& key);

  const SamplingOptions& options() const noexcept { return options_; }

 private:
  /// A token that may be drawn.
  struct Candidate {
    double weight;  ///< e^((logit − highest logit) / temperature)
    float logit;
    TokenId token;
  };

  static bool comes_first(const Candidate& left, const Candidate& right) noexcept;

  void apply_penalties(std::span<float> logits, const TokenCounts& counts) const;
  float top_k_floor(std::span<const float> logits);
  void collect_candidates(std::span<const float> logits, float highest, float floor);
  void keep_top_p();
  Draw pick(double uniform) const;

  SamplingOptions options_;
  std::size_t vocabulary_;
  std::vector<float> largest_;
  std::vector<Candidate> candidates_;  ///< in ascending order of id
  double total_ = 0;                   ///< sum of their weights, in that order
  std::vector<Candidate> ranking_;
};

}  // namespace expo
