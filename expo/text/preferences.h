#pragma once

#include <optional>
#include <string>

#include "expo/text/columns.h"
#include "expo/text/row_reader.h"

namespace expo {

/// One preference pair.
struct Preference {
  std::string id;      ///< prompt_id or id; may be empty
  Json prompt;         ///< the messages that both answers answer
  std::string chosen;  ///< the preferred answer
  std::string rejected;
  std::string place;  ///< "train.parquet: row 7"
};

/// Reads a preference row, in any of the shapes in use: `chosen` and `rejected` as conversations
/// that begin with the same turns and end with an assistant's (ultrafeedback_binarized), or as
/// answers (text, or the assistant's turn alone) to `prompt` (text or messages). Throws
/// Error(input) naming the row and the column: missing, of another form, an answer that is empty,
/// conversations that differ before the last turn, or contradict `prompt`.
Preference read_preference(const Json& row, const std::string& place, const Columns& columns = {});

}  // namespace expo
