#include "expo/text/answered.h"

#include <fmt/format.h>

#include "expo/text/preferences.h"

namespace expo {
namespace {

Json with_answer(Json messages, const std::string& answer) {
  messages.push_back(assistant_turn(answer));
  return messages;
}

std::vector<Chat> pair_of(const Json& json, const std::string& place, const Columns& columns) {
  const Preference pair = read_preference(json, place, columns);
  return {pair.with(pair.chosen), pair.with(pair.rejected)};
}

Json prompt_and_answer(const RowView& row, const Json& answer, const Columns& columns) {
  const Json& prompt =
      row.require(columns.prompt, {"prompt", "instruction", "messages", "question", "query"},
                  "--prompt-column");
  if (!answer.is_string()) row.refuse("the answer is not text");
  const auto& text = answer.get_ref<const std::string&>();
  if (prompt.is_string()) return with_answer(user_turn(prompt_text(row, prompt)), text);
  Json messages = read_messages(row, prompt, "the prompt");
  if (is_assistant(messages.back())) messages.erase(messages.size() - 1);
  if (messages.empty()) row.refuse("there is an answer but no prompt that it answers");
  return with_answer(std::move(messages), text);
}

Json conversation(const RowView& row, const Columns& columns) {
  const Json& value =
      row.require(columns.prompt, {"messages"}, "--answer-column or --prompt-column");
  Json messages = read_messages(row, value, "the conversation");
  if (!is_assistant(messages.back()))
    row.refuse("the conversation does not end with an assistant's turn: there is no answer");
  if (messages.size() < 2) row.refuse("there is an answer but no prompt that it answers");
  return messages;
}

std::vector<Chat> conversations_of(const Json& json, const std::string& place,
                                   const Columns& columns) {
  const RowView row(json, place);
  const auto alone = [&](Json messages) {
    return std::vector<Chat>{{std::move(messages), read_variables(row)}};
  };
  const bool asks_for_pair = !columns.chosen.empty() || !columns.rejected.empty();
  const auto is_pair = [&] {
    return row.find(columns.chosen, {"chosen"}) != nullptr &&
           row.find(columns.rejected, {"rejected"}) != nullptr;
  };
  if (asks_for_pair || (columns.answer.empty() && is_pair())) return pair_of(json, place, columns);
  const std::initializer_list<std::string_view> names{"output", "answer", "response", "completion"};
  if (!columns.answer.empty())
    return alone(
        prompt_and_answer(row, row.require(columns.answer, names, "--answer-column"), columns));
  const Json* answer = row.find("", names);
  return alone(answer != nullptr ? prompt_and_answer(row, *answer, columns)
                                 : conversation(row, columns));
}

std::string identifier(const RowView& row, const Columns& columns, std::size_t number) {
  const Json* id = row.find(columns.id, {"prompt_id", "id"});
  if (id == nullptr && !columns.id.empty())
    row.refuse(fmt::format("there is no column {}", columns.id));
  if (id == nullptr) return std::to_string(number);
  return id->is_string() ? id->get<std::string>() : compact_json(*id);
}

}  // namespace

std::vector<AnsweredRow> read_answered(RowReader& rows, const Columns& columns) {
  std::vector<AnsweredRow> result;
  for (Json json; rows.next(json);) {
    AnsweredRow answered;
    answered.place = rows.place();
    answered.conversations = conversations_of(json, answered.place, columns);
    const RowView row(json, answered.place);
    answered.id = identifier(row, columns, result.size());
    if (!result.empty() && result.front().conversations.size() != answered.conversations.size()) {
      row.refuse(fmt::format(
          "is {}, but {} is {}; score preference pairs and single answers in separate "
          "runs",
          answered.conversations.size() == 2 ? "a preference pair" : "a single answer",
          result.front().place,
          answered.conversations.size() == 2 ? "a single answer" : "a preference pair"));
    }
    answered.row = std::move(json);
    result.push_back(std::move(answered));
  }
  return result;
}

}  // namespace expo
