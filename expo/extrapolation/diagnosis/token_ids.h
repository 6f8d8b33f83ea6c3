#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>

namespace expo {

/// The ids of a tokenizer.json, each with a hash of its token (XXH3-64): those of a BPE, WordPiece,
/// WordLevel or Unigram model, and those of the added tokens, which take precedence. Returns
/// std::nullopt for text that is not JSON. Reads in one pass, in memory proportional to the number
/// of tokens.
std::optional<std::unordered_map<std::uint64_t, std::uint64_t>> token_ids(std::string_view json);

}  // namespace expo
