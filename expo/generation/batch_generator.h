#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "expo/core/progress.h"
#include "expo/engine/engine.h"
#include "expo/generation/sampler.h"
#include "expo/generation/stop_condition.h"
#include "expo/model/decoder.h"
#include "expo/text/tokenizer.h"

namespace expo {

/// What a batch may hold at the same time.
struct BatchLimits {
  std::size_t max_sequences = 64;             ///< sequences answered at the same time
  std::uint64_t cache_bytes = 4'000'000'000;  ///< maximum size of the keys and values
  std::size_t prefill_tokens = 2048;          ///< prompt tokens that go through the model at once
  /// Whether an answer is the same bytes whatever runs beside it. If the decoder is not
  /// batch-invariant, that requires fixed shapes: each prompt goes through the model alone, and
  /// every decoding step has max_sequences rows, used or not. (There are fewer rows if cache_bytes
  /// allow fewer sequences of the longest of all prompts, including prompts without a task.)
  bool deterministic = false;
  unsigned threads = 0;  ///< threads that sample; 0: one for each processor
};

/// A prompt as token ids.
struct PromptTokens {
  std::vector<TokenId> tokens;
  std::uint64_t draw_id = 0;  ///< DrawKey::prompt of its samples
  std::string place;          ///< where the prompt comes from, for messages: "dev.jsonl:3"
};

/// A finished answer.
struct GeneratedAnswer {
  AnswerTask task;
  std::vector<TokenId> tokens;  ///< including the stop token
  std::string text;             ///< without special tokens and the text that stopped it
  FinishReason finish = FinishReason::stop;
  double log_probability = 0;  ///< sum of Draw::log_probability, without the tokens it began with
};

/// Answers prompts with continuous batching: a finished sample frees its place in the cache for the
/// next one at once; the prompts of new samples are prefilled longest first, packed without
/// padding, and a prompt whose samples start together is prefilled only once. A task that has begun
/// is prefilled with its tokens, too, and goes on from there: to the same answer as from the start,
/// if the decoder is batch-invariant. Not thread-safe.
class BatchGenerator {
 public:
  using Sink = std::function<void(GeneratedAnswer)>;

  /// Both references must outlive it. Throws Error(usage) for a reward model.
  BatchGenerator(Decoder& decoder, const Tokenizer& tokenizer, const BatchLimits& limits);

  /// Passes every task's answer to `sink` as soon as it is finished, in no particular order. An
  /// answer ends when `stop` says so (max_tokens included), or when the model's context is full.
  /// Before anything runs, throws Error(input) naming the prompt if a prompt is empty, leaves no
  /// room in the context for an answer, or needs more cache than limits.cache_bytes for its
  /// sequence; Error(usage) for a task whose `begun` holds an end already; while it runs, throws as
  /// Sampler does for logits that are not numbers. `advance` is called with the number of tokens of
  /// each step.
  void run(std::span<const PromptTokens> prompts, std::span<const AnswerTask> tasks,
           const SamplingOptions& sampling, const StopOptions& stop, const Sink& sink,
           const std::function<void(std::size_t tokens)>& advance,
           const CancellationToken& cancellation);

 private:
  Decoder& decoder_;
  const Tokenizer& tokenizer_;
  BatchLimits limits_;
};

}  // namespace expo
