#include "expo/text/chat_template.h"

#include "expo/core/error.h"
#include "expo/text/bridge_values.h"

namespace expo {

using bridge::Bytes;
using bridge::bytes_of;

ChatTemplate ChatTemplate::from_source(std::string_view source, std::string_view where) {
  Bytes error;
  ExpoTemplate* handle = expo_template_new(bytes_of(source), source.size(), error.out());
  if (handle == nullptr) {
    throw input_error(std::string(where) + ": the chat template cannot be read: " + error.text());
  }
  return ChatTemplate({handle, [](ExpoTemplate* owned) { expo_template_free(owned); }},
                      std::string(where), source.find("strftime_now") != std::string_view::npos);
}

std::string ChatTemplate::render(const Json& variables,
                                 std::optional<std::int64_t> seconds_since_epoch) const {
  const std::string json = compact_json(variables);
  Bytes text;
  Bytes error;
  if (!expo_template_render(handle_.get(), bytes_of(json), json.size(),
                            seconds_since_epoch.value_or(-1), text.out(), error.out())) {
    throw input_error(where_ + ": the chat template refuses the conversation: " + error.text());
  }
  return text.text();
}

}  // namespace expo
