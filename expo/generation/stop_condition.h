#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "expo/engine/stop_options.h"
#include "expo/text/tokenizer.h"

namespace expo {

struct Finish {
  FinishReason reason;
  std::size_t text_size;              ///< bytes of the text that stay: cut it there
  std::optional<TokenId> token;       ///< the stop token, where one ended it
  std::optional<std::string> string;  ///< the stop string, where one ended it
};

/// Watches one sample's output, token by token, as vLLM does (check_stop of vllm/v1/core/sched and
/// check_stop_strings of vllm/v1/engine/detokenizer.py): a stop token's own text stays out; the
/// stop string that is complete earliest in the text wins, the first in the list among those that
/// end at the same byte, and the text is cut before it; the token that reaches max_tokens may be or
/// complete a stop, which then is the reason. Costs by the new text, not by all of it. Not
/// thread-safe.
class StopCondition {
 public:
  /// Throws Error(usage) for an empty stop string, and for max_tokens of 0.
  explicit StopCondition(StopOptions options);

  /// The next output token, and the text of the output with it (not read for a stop token), which
  /// must begin with the text of the call before. Only U+FFFD at the end may change: they are what
  /// Tokenizer::decode makes of a character's first bytes, so they are not searched until other
  /// text follows. Returns how it ends, where it does; that was the last call then.
  std::optional<Finish> feed(TokenId token, std::string_view text);

 private:
  std::optional<Finish> find_string(std::string_view text) const;

  StopOptions options_;
  std::size_t tokens_ = 0;
  std::size_t text_size_ = 0;
  /// Bytes of the text that were searched.
  std::size_t searched_ = 0;
};

}  // namespace expo
