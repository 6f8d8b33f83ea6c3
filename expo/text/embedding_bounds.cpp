#include "expo/text/embedding_bounds.h"

#include <fmt/format.h>

#include <algorithm>

#include "expo/core/error.h"
#include "expo/core/json.h"

namespace expo {

void check_within_embedding(std::span<const TokenId> ids, const Tokenizer& tokenizer,
                            std::int64_t rows, std::string_view place) {
  const auto stray = std::ranges::find_if(ids, [&](TokenId id) { return id >= rows; });
  if (stray == ids.end()) return;
  throw input_error(fmt::format(
      "{}: the token {} has the id {}, but the model's embedding has only {} rows; enlarge it to "
      "the tokenizer's size with transformers' resize_token_embeddings, or use the tokenizer that "
      "the model was trained with",
      place, compact_json(tokenizer.token(*stray).value_or("")), *stray, rows));
}

}  // namespace expo
