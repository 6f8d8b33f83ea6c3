#pragma once

#include <optional>
#include <string_view>

#include "expo/core/json.h"

namespace expo {

/// The steps of a byte-level BPE tokenizer before its merges, as tokenizer.json spells them.
struct PreTokenizer {
  Json pre_tokenizer;
  Json normalizer;             ///< null if there is none
  bool ignore_merges = false;  ///< a piece that is a token is kept whole
  bool add_bos = false;        ///< used if the file does not say
};

/// The pre-tokenizer for the value of a GGUF file's `tokenizer.ggml.pre`; the name "" (in files
/// older than the key) means "default". std::nullopt for an unknown name. Where llama.cpp and the
/// model's own tokenizer differ (Qwen2's NFC), the result follows the model's own.
std::optional<PreTokenizer> pre_tokenizer_named(std::string_view name);

}  // namespace expo
