#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "expo/text/tokenizer.h"

namespace expo {

/// What ends a sample's output; as stop, stop_token_ids (and the model's EOS tokens) and max_tokens
/// of vLLM's SamplingParams, with include_stop_str_in_output off.
struct StopOptions {
  std::vector<TokenId> tokens = {};            ///< the EOS tokens among them
  std::vector<std::string> strings = {};       ///< UTF-8, none empty
  std::optional<std::size_t> max_tokens = {};  ///< at least 1; nothing: no limit
};

/// Why an answer ended.
enum class FinishReason {
  stop,    ///< a stop token or a stop string
  length,  ///< max_tokens
};

}  // namespace expo
