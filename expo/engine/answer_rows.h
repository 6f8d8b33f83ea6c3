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
  alpaca,         ///< instruction, output, generator, and dataset where the row has it, …
  plain,          ///< the row of the data set as it is, then answer, sample, …
  text,           ///< the answer alone, not as JSON
};

/// "ultrafeedback", …; Error(usage) for other words.
AnswerFormat parse_answer_format(const std::string& word);
const char* answer_format_name(AnswerFormat format);

/// Throws Error(input) naming the row that has a column of its own where the format puts one.
void check_columns(AnswerFormat format, const Prompt& prompt);

/// A result as it is kept while the run goes on: {"text", "finish_reason", "tokens"}. `messages`
/// are those that were answered.
Json answer_row(AnswerFormat format, const Prompt& prompt, const Json& messages,
                std::uint32_t sample, const Json& result, const std::string& generator);

/// The rows as a file: a JSON array, or an object a line.
std::string file_of_rows(const std::vector<Json>& rows, bool as_array);

}  // namespace expo
