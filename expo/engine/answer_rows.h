#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "expo/core/json.h"
#include "expo/text/prompts.h"

namespace expo {

/// The shape of a row of answers.
enum class AnswerFormat {
  ultrafeedback,  ///< prompt, prompt_id, messages (the answer their last), sample, …
  alpaca,         ///< instruction, output, generator, dataset if the row has it, …
  plain,          ///< the row of the data set as it is, then answer, sample, …
  text,           ///< the answer alone, not as JSON
};

/// Parses "ultrafeedback", …; throws Error(usage) for other words.
AnswerFormat parse_answer_format(const std::string& word);
const char* answer_format_name(AnswerFormat format);

/// Throws Error(input), naming the row, if a row already has a column of a name that the format
/// writes.
void check_columns(AnswerFormat format, const Prompt& prompt);

/// Makes the output row of a result. `result` is in the form in which results are kept during the
/// run: {"text", "finish_reason", "tokens"}. `messages` are those that were answered.
Json answer_row(AnswerFormat format, const Prompt& prompt, const Json& messages,
                std::uint32_t sample, const Json& result, const std::string& generator);

/// The text of a file of rows: a JSON array, or one object per line.
std::string file_of_rows(const std::vector<Json>& rows, bool as_array);

}  // namespace expo
