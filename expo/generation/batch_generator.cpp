#include "expo/generation/batch_generator.h"

#include "expo/core/error.h"
#include "expo/generation/batch_run.h"

namespace expo {

BatchGenerator::BatchGenerator(Decoder& decoder, const Tokenizer& tokenizer,
                               const BatchLimits& limits)
    : decoder_(decoder), tokenizer_(tokenizer), limits_(limits) {
  if (decoder.architecture().head != ModelHead::language)
    throw usage_error("a reward model writes no answers; a language model is needed");
  if (limits.max_sequences == 0 || limits.prefill_tokens == 0)
    throw usage_error("max_sequences and prefill_tokens of a batch must be at least 1");
}

void BatchGenerator::run(std::span<const PromptTokens> prompts, std::span<const AnswerTask> tasks,
                         const SamplingOptions& sampling, const StopOptions& stop, const Sink& sink,
                         const std::function<void(std::size_t)>& advance,
                         const CancellationToken& cancellation) {
  if (tasks.empty()) return;
  const c10::InferenceMode no_gradients;
  BatchRun({decoder_, tokenizer_, limits_, prompts, tasks, sampling, stop, sink, advance})
      .run(cancellation);
}

}  // namespace expo
