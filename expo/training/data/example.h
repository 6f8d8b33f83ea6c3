#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "expo/text/tokenizer.h"

namespace expo {

/// One row before packing, and which of its tokens count towards the loss. A view with its owner;
/// cheap to copy.
struct TokenRow {
  std::span<const TokenId> ids;
  std::span<const bool> counts;       ///< one per id; the first token is never predicted
  std::shared_ptr<const void> owner;  ///< keeps both alive
};

/// A row that owns its tokens.
TokenRow token_row(std::vector<TokenId> ids, const std::vector<bool>& counts);

/// What a loss is computed from: a preference pair (two rows: chosen, rejected) or a conversation
/// (one row).
struct Example {
  std::vector<TokenRow> rows;
  std::string place;                  ///< "train.jsonl:7"
  std::array<double, 2> reference{};  ///< the reference's log-probability of each row, summed

  std::int64_t tokens() const;
};

}  // namespace expo
