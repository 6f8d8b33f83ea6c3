#include "expo/text/unwritten_keys.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "expo/core/error.h"

namespace expo {
namespace {

/// Whether the template refuses the other message, or writes another text.
bool makes_a_difference(const PreparedChat& chat, const std::string& text, std::size_t index,
                        const Json& other) {
  try {
    return chat.render_with(index, other).text != text;
  } catch (const Error&) {
    return true;
  }
}

}  // namespace

std::vector<std::string> unwritten_keys(const PreparedChat& chat, const std::string& text,
                                        const Json& messages, std::size_t index) {
  std::vector<std::string> keys = keys_beside_content(messages.at(index));
  std::erase_if(keys, [&](const std::string& key) {
    Json other = messages[index];
    other.erase(key);
    if (!other.contains("content")) other["content"] = "";
    return makes_a_difference(chat, text, index, other);
  });
  return keys;
}

void refuse_unwritten(const PreparedChat& chat, const std::string& text, const Json& messages,
                      std::size_t index) {
  if (!content_text(messages.at(index)).empty()) return;
  const auto keys = unwritten_keys(chat, text, messages, index);
  if (keys.empty() || keys.size() < keys_beside_content(messages[index]).size()) return;
  throw input_error(fmt::format(
      "turn {}, by the {}, says nothing but {}, which the chat template does not write: give a "
      "template that does, or leave the row out",
      index + 1, messages[index].at("role").get<std::string>(), fmt::join(keys, " and ")));
}

}  // namespace expo
