#pragma once

#include <string>
#include <vector>

#include "expo/checkpoint/checkpoint.h"
#include "expo/checkpoint/gguf/header.h"

namespace expo {

/// The tokenizer files made from a GGUF file.
struct GgufTokenizer {
  /// Those of tokenizer.json, tokenizer_config.json, chat_template.jinja and
  /// additional_chat_templates/NAME.jinja that can be made.
  std::vector<Sidecar> sidecars;
  std::vector<std::string> warnings;  ///< why there is no tokenizer, if there is none
};

/// Makes the tokenizer and chat templates that a GGUF file's metadata describe, as files that
/// transformers (and the library `tokenizers`) load. The models "gpt2" (byte-level BPE) and "llama"
/// (SentencePiece BPE) are rebuilt so that they produce the ids of the model's own tokenizer; other
/// models and unknown pre-tokenizers cause a warning instead. Throws Error(input) for a malformed
/// vocabulary.
GgufTokenizer make_gguf_tokenizer(const GgufMetadata& metadata);

}  // namespace expo
