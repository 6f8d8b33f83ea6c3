#pragma once

#include <string>
#include <vector>

#include "expo/text/chat.h"
#include "expo/text/columns.h"
#include "expo/text/row_reader.h"

namespace expo {

/// A row of a data set and the conversations in it that end with an answer.
struct AnsweredRow {
  std::string id;                   ///< from the data set, or else the row's number from 0
  std::vector<Chat> conversations;  ///< one; for a preference pair two: the chosen and the rejected
  Json row;                         ///< all columns
  std::string place;                ///< "answers.jsonl:3"
};

/// Reads the rows of a data set that hold answers: preference pairs (`chosen` and `rejected`, as
/// read_preference accepts them), a prompt column with an answer column (AlpacaEval's `instruction`
/// and `output`), or conversations that end with an assistant's turn (`messages`). A row that fits
/// several of these is read as the first that it fits. Throws Error(input) naming the row if it is
/// none of these, and if one data set holds both pairs and single answers. A single answer may be
/// empty, as a model's can be; ids may repeat, as those of several answers to one prompt do.
std::vector<AnsweredRow> read_answered(RowReader& rows, const Columns& columns = {});

}  // namespace expo
