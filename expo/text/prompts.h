#pragma once

#include <string>
#include <vector>

#include "expo/text/chat.h"
#include "expo/text/columns.h"
#include "expo/text/row_reader.h"

namespace expo {

/// A prompt for a model to answer.
struct Prompt {
  std::string id;     ///< from the data set, or else the row's number from 0
  Chat chat;          ///< ends with a user's turn, or with the answer of a tool
  Json row;           ///< all columns, for outputs that copy them
  std::string place;  ///< "dev.jsonl:3"
};

/// Reads the prompts of a data set: a column of text (AlpacaEval's `instruction`, UltraFeedback's
/// `prompt`), which becomes a user's turn, or of messages (OpenAI's `messages`). An assistant's
/// turn at the end of the messages is removed, since it is an answer. Throws Error(input) naming
/// the row for a missing column, an empty prompt, messages that are malformed or do not end with a
/// user's turn or the answer of a tool, and an id that occurs twice with different prompts. A row
/// that repeats the id and the prompt of an earlier one, as in preference data with several pairs
/// for a prompt, is left out; `repeated`, if given, counts those rows.
std::vector<Prompt> read_prompts(RowReader& rows, const Columns& columns = {},
                                 std::size_t* repeated = nullptr);

}  // namespace expo
