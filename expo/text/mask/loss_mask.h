#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "expo/text/chat_tokenizer.h"

namespace expo {

/// Which part of a conversation a model learns to write.
struct LossMaskOptions {
  bool assistant_only = true;     ///< the assistant's turns; false: everything
  std::size_t first_message = 0;  ///< nothing before this message (the prompt of a completion)
};

/// The tokens of a conversation, and which of them count towards the loss.
struct MaskedChat {
  std::vector<TokenId> ids;
  std::vector<bool> counts;         ///< one per id
  bool marked_by_template = false;  ///< {% generation %} decided, and not TurnSpans
  /// Calls, and thoughts of the last turn, that the template does not write: unwritten_keys().
  std::vector<std::string> unwritten = {};
};

/// Renders a conversation without a generation prompt and marks the tokens that count. A template
/// with {% generation %} decides what the assistant's turns are, with the very mask that
/// transformers' return_assistant_tokens_mask gives; for others TurnSpans finds them, and each
/// token counts that has a character of a turn. Throws Error(input) for what the template refuses,
/// and naming the turn if it has no words, if the template writes none of them, or if it cannot be
/// found whole.
MaskedChat mask_chat(const ChatTokenizer& tokenizer, const Chat& chat, const ChatOptions& options,
                     const LossMaskOptions& mask);

}  // namespace expo
