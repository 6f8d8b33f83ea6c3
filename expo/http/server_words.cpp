#include "expo/http/server_words.h"

#include "expo/core/error.h"
#include "expo/core/json.h"
#include "expo/core/text.h"

namespace expo {
namespace {

constexpr std::size_t kMostBytes = 300;
/// What is longer is read as text: no server explains an error at such a length.
constexpr std::size_t kLargestJson = 1 << 20;

/// The message within a JSON body; empty if there is none.
std::string message_in(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_array() && !value.empty()) return message_in(value.front());
  if (!value.is_object()) return {};
  for (const char* key : {"error", "message", "detail", "msg"}) {
    const auto found = value.find(key);
    if (found == value.end()) continue;
    if (std::string message = message_in(*found); !message.empty()) return message;
  }
  return {};
}

}  // namespace

std::string cut_words(std::string text) {
  for (char& c : text) {
    if (c == '\n' || c == '\r' || c == '\t') c = ' ';
  }
  return cut_to(on_one_line(text), kMostBytes);
}

std::string server_words(std::string_view body, const ApiKey& key) {
  std::string words;
  if (body.size() <= kLargestJson) {
    try {
      words = message_in(parse_json(body, "answer"));
    } catch (const Error&) {
      // Proxies answer in HTML; their text is shown as it is.
    }
  }
  // The key goes before anything is cut, which could leave a part of it.
  if (words.empty()) words = std::string(trimmed(body, " \t\r\n"));
  return cut_words(key.hidden_in(std::move(words)));
}

}  // namespace expo
