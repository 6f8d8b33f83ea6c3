#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "expo/core/progress.h"
#include "expo/generation/sampler.h"
#include "expo/generation/stop_condition.h"
#include "expo/model/decoder.h"
#include "expo/text/tokenizer.h"

namespace expo {

struct BatchLimits {
  std::size_t max_sequences = 64;             ///< answered at the same time
  std::uint64_t cache_bytes = 4'000'000'000;  ///< of keys and values, at most
  std::size_t prefill_tokens = 2048;          ///< of prompts that go through the model at once
  /// An answer is the same bytes whatever runs beside it. Where the decoder is not batch-invariant
  /// that takes fixed shapes: a prompt goes through the model alone, and every decoding step has
  /// max_sequences rows (fewer where cache_bytes allow fewer of the
  /// longest of all prompts, those without a task included), used or not.
  bool deterministic = false;
  unsigned threads = 0;  ///< that sample; 0: as many as there are processors
};

struct PromptTokens {
  std::vector<TokenId> tokens;
  std::uint64_t draw_id = 0;  ///< DrawKey::prompt of its samples
  std::string place;          ///< for messages: "dev.jsonl:3"
};

/// One answer to be written.
struct SampleTask {
  std::size_t prompt = 0;  ///< index of the prompt
  std::uint32_t sample = 0;
};

struct GeneratedAnswer {
  SampleTask task;
  std::vector<TokenId> tokens;  ///< the stop token included
  std::string text;             ///< without special tokens and what stopped it
  FinishReason finish = FinishReason::stop;
  double log_probability = 0;  ///< sum of Draw::log_probability
};

/// Answers prompts with continuous batching: a sample that is done gives its place in the cache to
/// the next one at once; the prompts of newcomers are prefilled longest first, packed without
/// padding, and samples of one prompt that come in together are prefilled once. Not thread-safe.
class BatchGenerator {
 public:
  using Sink = std::function<void(GeneratedAnswer)>;

  /// Both must outlive it. Throws Error(usage) for a reward model.
  BatchGenerator(Decoder& decoder, const Tokenizer& tokenizer, const BatchLimits& limits);

  /// Gives every task's answer to `sink` as soon as it is done, in no particular order. An answer
  /// ends with stop, or at its max_tokens, or where the model's context is full. Before anything
  /// runs, throws Error(input) naming the prompt for one that is empty, that leaves no room in the
  /// context for an answer, or whose sequence cannot fit limits.cache_bytes; as Sampler does for
  /// logits that are not numbers. `advance` is told how many tokens each step made.
  void run(std::span<const PromptTokens> prompts, std::span<const SampleTask> tasks,
           const SamplingOptions& sampling, const StopOptions& stop, const Sink& sink,
           const std::function<void(std::size_t tokens)>& advance,
           const CancellationToken& cancellation);

 private:
  Decoder& decoder_;
  const Tokenizer& tokenizer_;
  BatchLimits limits_;
};

}  // namespace expo
