#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "expo/text/tokenizer.h"

namespace expo {

/// What ends a sample's output: the same as stop, stop_token_ids (together with the model's EOS
/// tokens) and max_tokens of vLLM's SamplingParams, with include_stop_str_in_output off.
struct StopOptions {
  std::vector<TokenId> tokens = {};            ///< including the EOS tokens
  std::vector<std::string> strings = {};       ///< UTF-8, not empty
  std::optional<std::size_t> max_tokens = {};  ///< at least 1; std::nullopt: no limit
};

/// Why an answer ended.
enum class FinishReason {
  stop,    ///< a stop token or a stop string
  length,  ///< max_tokens
};

}  // namespace expo
