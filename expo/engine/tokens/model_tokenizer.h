#pragma once

#include <string>
#include <vector>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/disk/filesystem.h"
#include "expo/engine/engine_spec.h"
#include "expo/text/chat_tokenizer.h"

namespace expo {

/// The tokens of an answered conversation, as a model reads them.
struct AnsweredTokens {
  std::vector<TokenId> tokens;   ///< the prompt's, then the answer's
  std::size_t answer_start = 0;  ///< index of the answer's first token; at least 1
};

/// Turns conversations into the token ids of one model.
class ModelTokenizer {
 public:
  /// Throws Error(input) for a checkpoint without a tokenizer, and for malformed tokenizer or
  /// configuration files.
  ModelTokenizer(Filesystem& filesystem, const Checkpoint& checkpoint, const TemplateSpec& spec);

  /// Returns the ids of a conversation as the model reads it; a prompt ends with what opens the
  /// assistant's turn. Throws Error(input) naming the conversation's place if it cannot be
  /// rendered.
  std::vector<TokenId> encode(const Conversation& conversation) const;
  /// Returns the ids of an answered conversation's prompt, including those that open the
  /// assistant's turn, and of its last turn's text. Throws Error(input) if no token precedes the
  /// answer, and for a turn that has more than its text (tool calls, thoughts).
  AnsweredTokens encode_answered(const Conversation& answered) const;

  const Tokenizer& tokenizer() const { return chat_.tokenizer(); }
  /// The tokens that end an answer.
  const std::vector<TokenId>& end_tokens() const { return end_tokens_; }
  /// Whether the text that the model reads depends on the date.
  bool asks_for_time() const { return !raw_text_ && chat_.asks_for_time(); }
  /// Adds to an engine's identity the moment that templates are told, or the date, where the text
  /// depends on it.
  void add_time(Json& identity) const;
  /// A digest "xxh3-64:…" of the files that the tokenizer was made from.
  const std::string& digest() const { return digest_; }

 private:
  std::vector<TokenId> encode_answer(const Conversation& answered) const;
  std::vector<TokenId> encode_raw(const Conversation& conversation) const;
  void refuse_unwritten_answer(const Conversation& answered, const ChatOptions& options) const;

  std::string digest_;
  ChatTokenizer chat_;
  ChatOptions options_;
  bool raw_text_;
  std::vector<TokenId> end_tokens_;
};

}  // namespace expo
