#pragma once

#include <vector>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/disk/filesystem.h"
#include "expo/engine/tokens/encoded_conversations.h"
#include "expo/engine/tokens/model_tokenizer.h"

namespace expo {

/// The tokenizer of the served checkpoint, with the encodings of what is at work. Not thread-safe.
class LocalTokens {
 public:
  /// Throws what ModelTokenizer throws.
  LocalTokens(Filesystem& filesystem, const Checkpoint& checkpoint, const TemplateSpec& spec)
      : tokenizer(filesystem, checkpoint, spec) {}
  LocalTokens(const LocalTokens&) = delete;
  LocalTokens& operator=(const LocalTokens&) = delete;

  ModelTokenizer tokenizer;
  EncodedConversations<std::vector<TokenId>> encoded{
      [this](const Conversation& one) { return tokenizer.encode(one); }};
  EncodedConversations<AnsweredTokens> answered{
      [this](const Conversation& one) { return tokenizer.encode_answered(one); }};
};

}  // namespace expo
