#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "expo/checkpoint/gguf/header.h"

namespace expo {

/// What a token is for (`tokenizer.ggml.token_type`).
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
  std::vector<TokenKind> kinds;     ///< one a token
  bool has_kinds = false;           ///< false: the file has none, and all are `normal`
  std::vector<float> scores;        ///< one a token, or none
  std::vector<std::pair<std::string, std::string>> merges;  ///< best first; may be none
  std::optional<std::uint64_t> bos;                         ///< ids, all below tokens.size()
  std::optional<std::uint64_t> eos;
  std::optional<std::uint64_t> unknown;
  std::optional<std::uint64_t> padding;
  std::optional<bool> add_bos;
  std::optional<bool> add_eos;
  std::optional<bool> add_space_prefix;
  bool removes_extra_spaces = false;
};

/// Throws Error(input) where the vocabulary is malformed: lengths that differ, a token that occurs
/// twice, is not UTF-8 or is longer than 1 MB, a merge that is not two tokens that make a third, an
/// id beyond the vocabulary. Nothing where the file has no vocabulary.
std::optional<GgufVocabulary> read_gguf_vocabulary(const GgufMetadata& metadata);

/// Merges for a SentencePiece BPE vocabulary, which has none: every pair of tokens that together
/// spell a token, best first, as transformers derives them. `ranks` holds one a token: the higher,
/// the earlier. Pairs of equal rank: longer left part, then longer right part (in code points),
/// then lower ids first. Tokens of more than
/// 256 bytes are not taken apart.
std::vector<std::pair<std::string, std::string>> derive_merges(
    const std::vector<std::string>& tokens, const std::vector<float>& ranks);

}  // namespace expo
