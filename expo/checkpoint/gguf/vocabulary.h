#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "expo/checkpoint/gguf/header.h"

namespace expo {

/// The purpose of a token (`tokenizer.ggml.token_type`).
enum class TokenKind : std::int64_t {
  normal = 1,
  unknown = 2,
  control = 3,
  user_defined = 4,
  unused = 5,
  byte = 6,
};

/// The vocabulary of a GGUF file.
struct GgufVocabulary {
  std::string model;                ///< tokenizer.ggml.model: "gpt2", "llama"
  std::string pre;                  ///< tokenizer.ggml.pre; may be empty
  std::vector<std::string> tokens;  ///< by id; UTF-8, not empty, unique
  std::vector<TokenKind> kinds;     ///< one for each token
  bool has_kinds = false;           ///< false if the file has none, and all are `normal`
  std::vector<float> scores;        ///< one for each token, or none at all
  std::vector<std::pair<std::string, std::string>> merges;  ///< best first; may be none
  std::optional<std::uint64_t> bos;                         ///< the ids are all below tokens.size()
  std::optional<std::uint64_t> eos;
  std::optional<std::uint64_t> unknown;
  std::optional<std::uint64_t> padding;
  std::optional<bool> add_bos;
  std::optional<bool> add_eos;
  std::optional<bool> add_space_prefix;
  bool removes_extra_spaces = false;
};

/// Reads the vocabulary. Throws Error(input) if it is malformed: lengths that differ, a token that
/// occurs twice, is not UTF-8 or is longer than 1 MB, a merge that is not two tokens forming a
/// third, or an id beyond the vocabulary. std::nullopt if the file has no vocabulary.
std::optional<GgufVocabulary> read_gguf_vocabulary(const GgufMetadata& metadata);

/// Derives merges for a SentencePiece BPE vocabulary, which stores none: every pair of tokens that
/// together spell a token, best first, as transformers derives them. `ranks` holds one value for
/// each token: the higher, the earlier. Pairs of equal rank are ordered by longer left part, then
/// longer right part (in code points), then lower ids. Tokens of more than 256 bytes are not split.
std::vector<std::pair<std::string, std::string>> derive_merges(
    const std::vector<std::string>& tokens, const std::vector<float>& ranks);

}  // namespace expo
