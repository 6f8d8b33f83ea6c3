#pragma once

#include <vector>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/disk/filesystem.h"
#include "expo/engine/engine_spec.h"
#include "expo/model/architecture.h"
#include "expo/text/chat_tokenizer.h"

namespace expo {

/// What turns conversations into the ids of one model.
class ModelTokenizer {
 public:
  /// Throws Error(input) for a checkpoint without tokenizer, and for malformed files around it.
  ModelTokenizer(Filesystem& filesystem, const Checkpoint& checkpoint, const EmbeddedSpec& spec);

  /// The ids of a conversation as the model is shown it; a prompt ends with what opens the
  /// assistant's turn. Throws Error(input) naming its place where it cannot be rendered.
  std::vector<TokenId> encode(const Conversation& conversation) const;
  /// The ids of an answered conversation's last turn, as they follow those of its prompt.
  std::vector<TokenId> encode_answer(const Conversation& answered) const;
  /// The conversation without its answer.
  static Conversation prompt_of(const Conversation& answered);

  const Tokenizer& tokenizer() const { return chat_.tokenizer(); }
  /// What the model ends an answer with.
  const std::vector<TokenId>& end_tokens() const { return end_tokens_; }
  /// Whether what the model is shown depends on the day.
  bool asks_for_time() const { return !raw_text_ && chat_.asks_for_time(); }
  /// "xxh3-64:…" of the files that it was made from.
  const std::string& digest() const { return digest_; }

 private:
  std::vector<TokenId> encode_raw(const Conversation& conversation) const;

  std::string digest_;
  ChatTokenizer chat_;
  ChatOptions options_;
  bool raw_text_;
  std::vector<TokenId> end_tokens_;
};

}  // namespace expo
