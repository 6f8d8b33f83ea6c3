#pragma once

#include <optional>
#include <string_view>

#include "expo/core/json.h"

namespace expo {

/// What a byte-level BPE tokenizer does before its merges, as tokenizer.json spells it.
struct PreTokenizer {
  Json pre_tokenizer;
  Json normalizer;             ///< null for none
  bool ignore_merges = false;  ///< a piece that is a token is taken whole
  bool add_bos = false;        ///< where the file does not say
};

/// The one that a GGUF file's `tokenizer.ggml.pre` stands for; the name "" (files from before
/// the key existed) is "default". Nothing for a name that is not known. Where llama.cpp and the
/// model's own tokenizer differ (Qwen2's NFC), the model's own is given.
std::optional<PreTokenizer> pre_tokenizer_named(std::string_view name);

}  // namespace expo
