#pragma once

#include <string>
#include <vector>

#include "expo/checkpoint/checkpoint.h"
#include "expo/checkpoint/gguf/header.h"

namespace expo {

struct GgufTokenizer {
  /// tokenizer.json, tokenizer_config.json, chat_template.jinja and
  /// additional_chat_templates/NAME.jinja, those that can be made.
  std::vector<Sidecar> sidecars;
  std::vector<std::string> warnings;  ///< why there is no tokenizer, where there is none
};

/// The tokenizer and chat templates that a GGUF file's metadata describes, as files that
/// transformers (and the library `tokenizers`) load. Models "gpt2" (byte-level BPE) and "llama"
/// (SentencePiece BPE) are rebuilt such that they give the ids of the model's own tokenizer; for
/// other models, and for pre-tokenizers that are not known, there is a warning instead. Throws
/// Error(input) for a malformed vocabulary.
GgufTokenizer make_gguf_tokenizer(const GgufMetadata& metadata);

}  // namespace expo
