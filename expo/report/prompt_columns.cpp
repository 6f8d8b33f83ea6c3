#include "expo/report/prompt_columns.h"

#include <algorithm>

namespace expo {
namespace {

/// What a message says: its content or, of content in parts, their texts joined by spaces. A part
/// whose text is no string says nothing: search takes such messages, so a page must.
std::string content_of(const Json& message) {
  const Json content = message.value("content", Json());
  if (content.is_string()) return content.get<std::string>();
  std::string text;
  if (!content.is_array()) return text;
  for (const Json& part : content) {
    const Json words = part.is_object() ? part.value("text", Json()) : Json();
    if (words.is_string()) text += (text.empty() ? "" : " ") + words.get<std::string>();
  }
  return text;
}

/// What the user's last turn says, or the last turn if the user has none.
std::string question_of(const Json& messages) {
  const auto last = std::find_if(messages.rbegin(), messages.rend(),
                                 [](const Json& message) { return message.at("role") == "user"; });
  if (last != messages.rend()) return content_of(*last);
  return messages.empty() ? std::string() : content_of(messages.back());
}

void write_list(const TextSink& sink, const std::vector<Json>& values) {
  ListOutput list(sink);
  for (const Json& value : values) list.add(value);
  list.end();
}

}  // namespace

void PromptColumns::take_prompt(const Json& line) {
  const Json& part = line.at("part");
  if (part != "choosing" && part != "confirming")
    throw Json::other_error::create(501, "no part of a search", &part);
  add(line.at("prompt").get<std::string>(), part, line.at("messages"));
}

void PromptColumns::take_sample(const Json& line) {
  add(line.at("prompt_id").get<std::string>(), "confirming", line.at("messages"));
}

std::size_t PromptColumns::number_of(const std::string& id) {
  const auto found = numbers_.find(id);
  if (found != numbers_.end()) return found->second;
  add(id, Json(), Json::array());
  ++unknown_;
  return ids_.size() - 1;
}

void PromptColumns::add(const std::string& id, Json part, const Json& messages) {
  if (!messages.is_array()) throw Json::type_error::create(302, "no messages", &messages);
  if (!numbers_.emplace(id, ids_.size()).second) return;
  texts_.emplace_back(question_of(messages));
  ids_.emplace_back(id);
  parts_.push_back(std::move(part));
  messages_.push_back(messages.size() > 1 ? messages : Json());
}

void PromptColumns::write(const TextSink& sink) const {
  ObjectOutput columns(sink);
  const auto add_column = [&](std::string_view key, const std::vector<Json>& values) {
    columns.begin(key);
    write_list(sink, values);
  };
  add_column("id", ids_);
  add_column("part", parts_);
  add_column("text", texts_);
  add_column("messages", messages_);
  columns.end();
}

}  // namespace expo
