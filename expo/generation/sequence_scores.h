#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "expo/core/progress.h"
#include "expo/model/decoder.h"
#include "expo/text/tokenizer.h"

namespace expo {

/// A prompt with an answer to it, as ids.
struct AnsweredPrompt {
  std::vector<TokenId> tokens;   ///< the prompt's, then the answer's
  std::size_t answer_start = 1;  ///< index of the answer's first token; at least 1
};

struct ScoringOptions {
  std::size_t chunk_tokens = 2048;  ///< tokens that go through the model at once
  /// A sequence's result does not depend on the others: where the decoder is not batch-invariant,
  /// it goes through the model alone.
  bool deterministic = false;
  std::function<void(std::size_t tokens)> advance = {};  ///< told of every chunk
};

/// What a reward model says of sequences: its raw outputs (no activation), one for each label, at
/// the last token that is not the model's padding token (its first token where all are), as
/// transformers' …ForSequenceClassification pools. Throws Error(usage) for a model without a score
/// head, and as check_sequence does; Error(input) for outputs that are not finite.
std::vector<std::vector<float>> rewards(Decoder& decoder,
                                        std::span<const std::vector<TokenId>> sequences,
                                        const ScoringOptions& options,
                                        const CancellationToken& cancellation);

/// Natural logarithms of the probabilities of the answers' tokens, each given all before it, in
/// float32 from the raw logits (temperature 1, no filter). Throws Error(usage) for a reward model,
/// and as check_sequence does; Error(input) where one is not a number.
std::vector<std::vector<float>> answer_log_probs(Decoder& decoder,
                                                 std::span<const AnsweredPrompt> answered,
                                                 const ScoringOptions& options,
                                                 const CancellationToken& cancellation);

/// Throws Error(input) for no tokens and for more than the model has positions.
void check_sequence(const Architecture& architecture, std::size_t tokens);

}  // namespace expo
