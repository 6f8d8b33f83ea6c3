#include "expo/text/prompts.h"

#include <fmt/format.h>

#include <unordered_map>

#include "expo/core/python_json.h"

namespace expo {
namespace {

/// Whether a model can answer behind this turn: a user's, or what a tool answered.
bool asks(const Json& message) {
  const auto& role = message.at("role").get_ref<const std::string&>();
  return role == "user" || role == "tool" || role == "ipython";
}

Json conversation(const RowView& row, const Json& value) {
  if (value.is_string()) {
    const std::string text = prompt_text(row, value);
    if (text.empty()) row.refuse("the prompt is empty");
    return user_turn(text);
  }
  Json messages = read_messages(row, value, "the prompt");
  if (is_assistant(messages.back())) messages.erase(messages.size() - 1);
  if (messages.empty() || !asks(messages.back())) {
    row.refuse(
        "the conversation does not end with a user's turn (or a tool's answer), which the model "
        "could answer");
  }
  return messages;
}

std::string identifier(const RowView& row, const Columns& columns, std::size_t number) {
  const Json* id = row.find(columns.id, {"prompt_id", "id"});
  if (id == nullptr && !columns.id.empty())
    row.refuse(fmt::format("there is no column {}", columns.id));
  if (id == nullptr) return std::to_string(number);
  if (id->is_string()) return id->get<std::string>();
  if (id->is_number_integer() || is_big_integer(*id)) return compact_json(*id);
  row.refuse("its id is neither text nor a whole number");
}

}  // namespace

std::vector<Prompt> read_prompts(RowReader& rows, const Columns& columns, std::size_t* repeated) {
  std::vector<Prompt> prompts;
  std::unordered_map<std::string, std::size_t> seen;
  for (Json json; rows.next(json);) {
    Prompt prompt;
    prompt.place = rows.place();
    const RowView row(json, prompt.place);
    prompt.id = identifier(row, columns, prompts.size());
    prompt.chat.messages = conversation(
        row, row.require(columns.prompt, {"prompt", "instruction", "messages", "question", "query"},
                         "--prompt-column"));
    prompt.chat.variables = read_variables(row);
    const auto [first, is_new] = seen.emplace(prompt.id, prompts.size());
    if (!is_new) {
      const Prompt& earlier = prompts[first->second];
      if (prompt.chat != earlier.chat) {
        row.refuse(
            fmt::format("the id \"{}\" occurs twice with different prompts, first at {}; ids tell "
                        "answers apart",
                        prompt.id, earlier.place));
      }
      if (repeated != nullptr) ++*repeated;
      continue;
    }
    prompt.row = std::move(json);
    prompts.push_back(std::move(prompt));
  }
  return prompts;
}

}  // namespace expo
