#pragma once

#include <optional>
#include <string>

#include "expo/text/chat.h"
#include "expo/text/columns.h"
#include "expo/text/row_reader.h"

namespace expo {

/// One preference pair.
struct Preference {
  std::string id;  ///< prompt_id or id; may be empty
  Chat prompt;     ///< what both answers answer
  Json chosen;     ///< the assistant's turn that is preferred, with all its keys
  Json rejected;
  std::string place;  ///< "train.parquet: row 7"

  /// The prompt and this answer to it.
  Chat with(const Json& answer) const;
};

/// Reads a preference row in any of the usual shapes: `chosen` and `rejected` as conversations that
/// begin with the same turns and end with an assistant's turn (ultrafeedback_binarized), or as
/// answers (text, or the assistant's turn alone) to `prompt` (text or messages). Throws
/// Error(input) naming the row and the column if a column is missing or malformed, if an answer is
/// empty, or if the conversations differ before the last turn or contradict `prompt`.
Preference read_preference(const Json& row, const std::string& place, const Columns& columns = {});

}  // namespace expo
