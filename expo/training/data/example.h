#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "expo/text/tokenizer.h"

namespace expo {

/// One row before packing, and which of its tokens count towards the loss.
struct TokenRow {
  std::vector<TokenId> ids;
  std::vector<bool> counts;  ///< one per id; the first token is never predicted
};

/// What a loss is computed from: a preference pair (two rows: chosen, rejected) or a conversation
/// (one row).
struct Example {
  std::vector<TokenRow> rows;
  std::string place;                  ///< "train.jsonl:7"
  std::array<double, 2> reference{};  ///< the reference's log-probability of each row, summed

  std::int64_t tokens() const;
};

}  // namespace expo
