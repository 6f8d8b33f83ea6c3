#pragma once

#include <string>
#include <vector>

#include "expo/text/columns.h"
#include "expo/text/row_reader.h"

namespace expo {

/// What a model is to answer.
struct Prompt {
  std::string id;     ///< of the data set, or the row's number from 0
  Json messages;      ///< [{"role", "content"}, …], ending with a user's turn
  Json row;           ///< all columns, for outputs that carry them along
  std::string place;  ///< "dev.jsonl:3"
};

/// The prompts of a data set: a column of text (AlpacaEval's `instruction`, UltraFeedback's
/// `prompt`), which becomes a user's turn, or of messages (OpenAI's `messages`). Messages that end
/// with an assistant's turn lose it: it is an answer. Throws Error(input) naming the row for a
/// missing column, an empty prompt, messages that are none or do not end with a user's turn, and an
/// id that occurs twice with different prompts. A row that repeats id and prompt of an earlier one,
/// as preference data with several pairs to a prompt has them, is left out; `repeated`, where
/// given, counts those.
std::vector<Prompt> read_prompts(RowReader& rows, const Columns& columns = {},
                                 std::size_t* repeated = nullptr);

}  // namespace expo
