#include "expo/text/preferences.h"

#include <fmt/format.h>

namespace expo {
namespace {

struct Side {
  Json before;  ///< the turns before the answer; empty if only the answer is given
  Json answer;  ///< an assistant's turn
};

Side side(const RowView& row, const Json& value, std::string_view column) {
  Side result{Json::array(), {}};
  if (value.is_string()) {
    result.answer = assistant_turn(value.get<std::string>());
  } else {
    if (!value.is_array())
      row.refuse(fmt::format("{} is neither text nor a list of messages", column));
    Json messages = read_messages(row, value, column);
    if (!is_assistant(messages.back()))
      row.refuse(
          fmt::format("{} does not end with an assistant's turn, but with one of the role {}",
                      column, messages.back()["role"].get<std::string>()));
    result.answer = messages.back();
    messages.erase(messages.size() - 1);
    result.before = std::move(messages);
  }
  if (!says_something(result.answer)) row.refuse(fmt::format("{} is an empty answer", column));
  return result;
}

Json messages_of(const RowView& row, const Json& prompt) {
  if (!prompt.is_string()) return read_messages(row, prompt, "prompt");
  if (prompt.get_ref<const std::string&>().empty()) row.refuse("the prompt is empty");
  return user_turn(prompt_text(row, prompt));
}

/// Whether the prompt column repeats what the conversations begin with: all of it, or its last
/// turn.
bool agrees(const Json& prompt, const Json& before) {
  if (prompt == before) return true;
  return prompt.size() == 1 && !before.empty() &&
         content_text(prompt.back()) == content_text(before.back());
}

}  // namespace

Chat Preference::with(const Json& answer) const {
  Chat chat = prompt;
  chat.messages.push_back(answer);
  return chat;
}

Preference read_preference(const Json& json, const std::string& place, const Columns& columns) {
  const RowView row(json, place);
  Side chosen = side(row, row.require(columns.chosen, {"chosen"}, "--chosen-column"), "chosen");
  const Side rejected =
      side(row, row.require(columns.rejected, {"rejected"}, "--rejected-column"), "rejected");
  if (chosen.before != rejected.before)
    row.refuse(
        "chosen and rejected are not answers to one prompt: they differ before the last turn, and "
        "an "
        "answer is one turn of the assistant");
  const Json* prompt = row.find(columns.prompt, {"prompt", "instruction", "question"});
  if (prompt == nullptr && chosen.before.empty())
    row.refuse("there is no prompt: neither a column of that name nor turns before the answers");
  Preference result;
  Json& turns = result.prompt.messages = std::move(chosen.before);
  result.prompt.variables = read_variables(row);
  if (prompt != nullptr) {
    Json messages = messages_of(row, *prompt);
    if (turns.empty()) {
      turns = std::move(messages);
    } else if (!agrees(messages, turns)) {
      row.refuse(
          "prompt is not all turns that chosen and rejected begin with before their last one, "
          "which "
          "is the answer");
    }
  }
  const Json* id = row.find(columns.id, {"prompt_id", "id"});
  if (id != nullptr) result.id = id->is_string() ? id->get<std::string>() : compact_json(*id);
  result.chosen = std::move(chosen.answer);
  result.rejected = rejected.answer;
  result.place = place;
  return result;
}

}  // namespace expo
