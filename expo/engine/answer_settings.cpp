#include "expo/engine/answer_settings.h"

namespace expo {
namespace {

Json sampling_settings(const SamplingOptions& sampling) {
  return {{"temperature", sampling.temperature},
          {"top_k", sampling.top_k},
          {"top_p", sampling.top_p},
          {"min_p", sampling.min_p},
          {"presence_penalty", sampling.presence_penalty},
          {"frequency_penalty", sampling.frequency_penalty},
          {"repetition_penalty", sampling.repetition_penalty},
          {"seed", sampling.seed}};
}

}  // namespace

Json answer_settings(const AnswerOptions& options) {
  return {{"sampling", sampling_settings(options.sampling)},
          {"stop", options.stop.strings},
          {"stop_token_ids", options.stop.tokens},
          {"ignore_eos", options.ignore_eos},
          {"max_new_tokens", options.stop.max_tokens ? Json(*options.stop.max_tokens) : Json()}};
}

}  // namespace expo
