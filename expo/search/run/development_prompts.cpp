#include "expo/search/run/development_prompts.h"

#include <fmt/format.h>

#include <map>
#include <string_view>
#include <unordered_map>

#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/extrapolation/write/input_digest.h"

namespace expo {
namespace {

/// The message with its role and what it says first, and the other keys sorted.
Json plain_message(const Json& message) {
  Json result = {{"role", message.at("role")}};
  if (message.contains("content") && !message.at("content").is_null())
    result["content"] = content_text(message);
  std::map<std::string, const Json*> others;
  for (const auto& [key, value] : message.items()) {
    if (key != "role" && key != "content" && !value.is_null()) others[key] = &value;
  }
  for (const auto& [key, value] : others) result[key] = *value;
  return result;
}

}  // namespace

std::vector<std::string> split_texts(const std::vector<Prompt>& prompts) {
  std::vector<std::string> texts;
  for (const Prompt& prompt : prompts) {
    const Chat& chat = prompt.chat;
    Json messages = Json::array();
    for (const Json& message : chat.messages) messages.push_back(plain_message(message));
    const std::string first = content_text(chat.messages.at(0));
    if (chat.variables.empty() && messages == user_turn(first)) {
      texts.push_back(first);
    } else {
      texts.push_back(compact_json(Json::array({messages, chat.variables})));
    }
  }
  return texts;
}

void check_distinct(const std::vector<Prompt>& prompts, const std::vector<std::string>& texts,
                    std::size_t repeated, const std::string& data) {
  constexpr const char* kWhy =
      "a prompt that counts twice would make a search surer than it may be; leave it out";
  if (repeated > 0) {
    throw input_error(fmt::format(
        "{}: {} the id and prompt of an earlier row; {}", data,
        repeated == 1 ? "1 row repeats" : fmt::format("{} rows repeat", repeated), kWhy));
  }
  std::unordered_map<std::string_view, std::size_t> seen;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto [first, is_new] = seen.try_emplace(texts[i], i);
    if (is_new) continue;
    throw input_error(fmt::format("{}: repeats the prompt of {}; {}", prompts[i].place,
                                  prompts[first->second].place, kWhy));
  }
}

std::string columns_digest(const std::vector<Prompt>& prompts) {
  std::string all;
  for (const Prompt& prompt : prompts) all += compact_json(prompt.row) + '\n';
  return text_digest(all);
}

}  // namespace expo
