#include "expo/text/chat.h"

#include <algorithm>
#include <array>

namespace expo {
namespace {

constexpr std::array<const char*, 3> kThoughts{"reasoning_content", "thinking", "reasoning"};

const Json* thoughts_of(const Json& message) {
  for (const char* name : kThoughts) {
    const auto found = message.find(name);
    if (found != message.end() && !found->is_null()) return &*found;
  }
  return nullptr;
}

}  // namespace

Json user_turn(const std::string& text) {
  return Json::array({{{"role", "user"}, {"content", text}}});
}

Json assistant_turn(const std::string& text) {
  return {{"role", "assistant"}, {"content", text}};
}

std::string content_text(const Json& message) {
  const auto content = message.find("content");
  if (content == message.end() || content->is_null()) return {};
  if (content->is_string()) return content->get<std::string>();
  std::string text;
  for (const Json& part : *content) {
    if (&part != &content->front()) text += ' ';
    text += part.at("text").get_ref<const std::string&>();
  }
  return text;
}

bool is_assistant(const Json& message) {
  return message.at("role").get_ref<const std::string&>() == "assistant";
}

std::string question_of(const Json& messages) {
  const auto last = std::find_if(messages.rbegin(), messages.rend(),
                                 [](const Json& turn) { return turn.at("role") == "user"; });
  return content_text(last == messages.rend() ? messages.back() : *last);
}

bool says_something(const Json& message) {
  for (const auto& [key, value] : message.items()) {
    if (key == "role" || key == "name" || value.is_null()) continue;
    const bool is_empty = key == "content"    ? content_text(message).empty()
                          : value.is_string() ? value.get_ref<const std::string&>().empty()
                                              : value.empty();
    if (!is_empty) return true;
  }
  return false;
}

std::vector<std::string> keys_beside_content(const Json& message) {
  std::vector<std::string> keys;
  const auto add = [&](const char* key) {
    const auto found = message.find(key);
    if (found != message.end() && !found->is_null() && !found->empty()) keys.emplace_back(key);
  };
  add("tool_calls");
  for (const char* key : kThoughts) add(key);
  return keys;
}

Json message_for_template(const Json& message, bool join_parts) {
  Json result = Json::object();
  const Json* thoughts = thoughts_of(message);
  if (thoughts != nullptr) result["thinking"] = *thoughts;
  for (const auto& [key, value] : message.items()) {
    if (value.is_null()) continue;
    result[key] = join_parts && key == "content" ? Json(content_text(message)) : value;
  }
  if (thoughts != nullptr) result["reasoning_content"] = *thoughts;
  return result;
}

}  // namespace expo
