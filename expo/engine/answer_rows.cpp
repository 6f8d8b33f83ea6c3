#include "expo/engine/answer_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "expo/core/error.h"

namespace expo {
namespace {

constexpr std::pair<AnswerFormat, const char*> kNames[] = {
    {AnswerFormat::ultrafeedback, "ultrafeedback"},
    {AnswerFormat::alpaca, "alpaca"},
    {AnswerFormat::plain, "plain"},
    {AnswerFormat::text, "text"}};

Json ultrafeedback_row(const Prompt& prompt, const Json& messages, const Json& text) {
  Json conversation = messages;
  conversation.push_back(assistant_turn(text.get<std::string>()));
  Json row = {{"prompt", question_of(prompt.chat.messages)},
              {"prompt_id", prompt.id},
              {"messages", std::move(conversation)}};
  // Whoever scores the answer needs what its prompt was rendered with.
  for (const char* name : kVariableColumns)
    if (prompt.row.contains(name)) row[name] = prompt.row.at(name);
  return row;
}

Json alpaca_row(const Prompt& prompt, const Json& text, const std::string& generator) {
  Json row = {{"instruction", question_of(prompt.chat.messages)},
              {"output", text},
              {"generator", generator}};
  // The question was joined from an instruction and an input: both are written as they were, so
  // that the rows can be matched.
  const bool joined = prompt.row.contains("instruction") && prompt.row.contains("input");
  if (joined) row["instruction"] = prompt.row.at("instruction");
  for (const char* name : {"input", "dataset", "datasplit"}) {
    if (!joined && std::string_view(name) == "input") continue;
    if (prompt.row.contains(name)) row[name] = prompt.row.at(name);
  }
  return row;
}

}  // namespace

AnswerFormat parse_answer_format(const std::string& word) {
  for (const auto& [format, name] : kNames) {
    if (word == name) return format;
  }
  throw usage_error("--format: \"" + word +
                    "\" is not known; expected ultrafeedback, alpaca, plain or text");
}

const char* answer_format_name(AnswerFormat format) {
  for (const auto& [known, name] : kNames) {
    if (known == format) return name;
  }
  return "";
}

void check_columns(AnswerFormat format, const Prompt& prompt) {
  if (format != AnswerFormat::plain) return;
  for (const char* name : {"answer", "sample", "finish_reason", "tokens"}) {
    if (!prompt.row.contains(name)) continue;
    throw input_error(fmt::format(
        "{}: the row already has a column {}, which the plain format writes; rename it, or choose "
        "another --format",
        prompt.place, name));
  }
}

Json answer_row(AnswerFormat format, const Prompt& prompt, const Json& messages,
                std::uint32_t sample, const Json& result, const std::string& generator) {
  const Json& text = result.at("text");
  Json row;
  if (format == AnswerFormat::text) return text;
  if (format == AnswerFormat::ultrafeedback) row = ultrafeedback_row(prompt, messages, text);
  if (format == AnswerFormat::alpaca) row = alpaca_row(prompt, text, generator);
  if (format == AnswerFormat::plain) {
    row = prompt.row;
    row["answer"] = text;
  }
  if (format != AnswerFormat::alpaca) row["sample"] = sample;
  row["finish_reason"] = result.at("finish_reason");
  row["tokens"] = result.at("tokens");
  return row;
}

std::string file_of_rows(const std::vector<Json>& rows, bool as_array) {
  if (as_array) return format_json(Json(rows));
  std::string text;
  for (const Json& row : rows) text += compact_json(row) + "\n";
  return text;
}

}  // namespace expo
