#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "expo/engine/stop_options.h"
#include "expo/text/tokenizer.h"

namespace expo {

/// How an output ended.
struct Finish {
  FinishReason reason;
  std::size_t text_size;              ///< bytes of the text to keep
  std::optional<TokenId> token;       ///< the stop token, if one ended it
  std::optional<std::string> string;  ///< the stop string, if one ended it
};

/// Watches one sample's output, token by token, as vLLM does (check_stop of vllm/v1/core/sched and
/// check_stop_strings of vllm/v1/engine/detokenizer.py). A stop token's own text is left out. The
/// stop string that is complete earliest in the text wins, or the first in the list among those
/// that end at the same byte, and the text is cut before it. The token that reaches max_tokens may
/// be or complete a stop, which is then the reason. The cost depends on the new text only, not on
/// all of it. Not thread-safe.
class StopCondition {
 public:
  /// Throws Error(usage) for an empty stop string and for a max_tokens of 0.
  explicit StopCondition(StopOptions options);

  /// Takes the next output token, and the text of the output including it (which is not read for a
  /// stop token). The text must begin with the text of the previous call, except that U+FFFD at its
  /// end may change: Tokenizer::decode returns them for the first bytes of an incomplete character,
  /// so they are not searched until other text follows. Returns how the output ended, after which
  /// feed must not be called again, or std::nullopt if it goes on.
  std::optional<Finish> feed(TokenId token, std::string_view text);

 private:
  std::optional<Finish> find_string(std::string_view text) const;

  StopOptions options_;
  std::size_t tokens_ = 0;
  std::size_t text_size_ = 0;
  /// Bytes of the text that have been searched.
  std::size_t searched_ = 0;
};

}  // namespace expo
