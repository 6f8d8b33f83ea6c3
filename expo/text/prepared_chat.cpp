#include "expo/text/prepared_chat.h"

namespace expo {

PreparedChat::PreparedChat(const ChatTemplate& chat_template, const Json& messages,
                           std::string variables, bool reads_parts,
                           std::optional<std::int64_t> seconds_since_epoch)
    : template_(chat_template),
      variables_(std::move(variables)),
      reads_parts_(reads_parts),
      seconds_since_epoch_(seconds_since_epoch) {
  messages_.reserve(messages.size());
  for (const Json& message : messages)
    messages_.push_back(compact_json(message_for_template(message, !reads_parts)));
}

RenderedChat PreparedChat::render(bool add_generation_prompt) const {
  return render(messages_, add_generation_prompt);
}

RenderedChat PreparedChat::render_first(std::size_t count, bool add_generation_prompt) const {
  return render(std::span(messages_).first(count), add_generation_prompt);
}

RenderedChat PreparedChat::render_with(std::size_t index, const Json& message) const {
  std::vector<std::string> messages = messages_;
  messages.resize(std::max(messages.size(), index + 1));
  messages[index] = compact_json(message_for_template(message, !reads_parts_));
  return render(messages, false);
}

RenderedChat PreparedChat::render(std::span<const std::string> messages,
                                  bool add_generation_prompt) const {
  std::string json = "{" + variables_ + "\"add_generation_prompt\":";
  json += add_generation_prompt ? "true" : "false";
  json += ",\"messages\":[";
  for (const std::string& message : messages) {
    if (json.back() != '[') json += ',';
    json += message;
  }
  json += "]}";
  return template_.render(json, seconds_since_epoch_);
}

}  // namespace expo
