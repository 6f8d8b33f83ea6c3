#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "expo/text/tokenizer.h"

namespace expo {

/// Checks that a model's embedding, with this number of rows, has one for each of these tokens. A
/// token that was added to the tokenizer without enlarging the embedding has none. Throws
/// Error(input) that names `place` (of a data set's row), the first such token and the remedy.
void check_within_embedding(std::span<const TokenId> ids, const Tokenizer& tokenizer,
                            std::int64_t rows, std::string_view place);

}  // namespace expo
