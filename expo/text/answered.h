#pragma once

#include <string>
#include <vector>

#include "expo/text/columns.h"
#include "expo/text/row_reader.h"

namespace expo {

/// A row of a data set with the conversations in it that end with an answer.
struct AnsweredRow {
  std::string id;                   ///< of the data set, or the row's number from 0
  std::vector<Json> conversations;  ///< one; or, of a preference pair, the chosen and the rejected
  Json row;                         ///< all columns
  std::string place;                ///< "answers.jsonl:3"
};

/// The rows of a data set that hold answers: preference pairs (`chosen` and `rejected`, as
/// read_preference has them), a prompt column with an answer column (AlpacaEval's `instruction` and
/// `output`), or conversations that end with an assistant's turn (`messages`); in this order where
/// a row could be several. Throws Error(input) naming the row for one that is none of these, and
/// for pairs and single answers in one data set. A single answer may be empty, as a model's can be;
/// ids may occur again, as those of several answers to one prompt do.
std::vector<AnsweredRow> read_answered(RowReader& rows, const Columns& columns = {});

}  // namespace expo
