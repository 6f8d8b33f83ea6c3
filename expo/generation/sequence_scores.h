#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "expo/core/progress.h"
#include "expo/model/decoder.h"
#include "expo/text/tokenizer.h"

namespace expo {

/// A prompt and its answer as token ids.
struct AnsweredPrompt {
  std::vector<TokenId> tokens;   ///< the prompt's, then the answer's
  std::size_t answer_start = 1;  ///< index of the answer's first token; at least 1
};

/// How sequences are scored.
struct ScoringOptions {
  std::size_t chunk_tokens = 2048;  ///< tokens that go through the model at once
  /// Whether a sequence's result must not depend on the other sequences: if the decoder is not
  /// batch-invariant, each then goes through the model alone.
  bool deterministic = false;
  std::function<void(std::size_t tokens)> advance = {};  ///< receives each chunk's tokens
};

/// The rewards of sequences: the raw outputs of a reward model (no activation), one for each label,
/// at the last token that is not the model's padding token (the first token if all are), as
/// transformers' …ForSequenceClassification pools. Throws Error(usage) for a model without a score
/// head, and as check_sequence does; throws Error(input) for outputs that are not finite.
std::vector<std::vector<float>> rewards(Decoder& decoder,
                                        std::span<const std::vector<TokenId>> sequences,
                                        const ScoringOptions& options,
                                        const CancellationToken& cancellation);

/// The natural logarithms of the probabilities of the answers' tokens, each given all tokens before
/// it, in float32 from the raw logits (temperature 1, no filter). Throws Error(usage) for a reward
/// model, and as check_sequence does; throws Error(input) if a result is not a number.
std::vector<std::vector<float>> answer_log_probs(Decoder& decoder,
                                                 std::span<const AnsweredPrompt> answered,
                                                 const ScoringOptions& options,
                                                 const CancellationToken& cancellation);

/// Throws Error(input) if there are no tokens, or more than the model has positions.
void check_sequence(const Architecture& architecture, std::size_t tokens);

}  // namespace expo
