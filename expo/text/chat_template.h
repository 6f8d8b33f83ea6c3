#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "expo/core/json.h"

struct ExpoTemplate;

namespace expo {

/// A Jinja chat template. It renders the same text as transformers' apply_chat_template: it
/// supports trim_blocks, lstrip_blocks, loop controls, {% generation %}, tojson without HTML
/// escapes, raise_exception and strftime_now, and writes True, None, lists and dictionaries as
/// Python does. Immutable and thread-safe.
class ChatTemplate {
 public:
  /// Throws Error(input), with a message that begins with `where`, if the text is not a template.
  static ChatTemplate from_source(std::string_view source, std::string_view where);

  /// Whether the rendered text depends on the time (strftime_now).
  bool asks_for_time() const { return asks_for_time_; }

  /// Renders the template. `variables` is an object: messages, add_generation_prompt, bos_token and
  /// so on. strftime_now uses `seconds_since_epoch` as the time, in UTC; std::nullopt means the
  /// clock, in local time. Throws Error(input), with the template's own words, if the template
  /// calls raise_exception.
  std::string render(const Json& variables,
                     std::optional<std::int64_t> seconds_since_epoch = std::nullopt) const;

 private:
  ChatTemplate(std::shared_ptr<const ExpoTemplate> handle, std::string where, bool asks_for_time)
      : handle_(std::move(handle)), where_(std::move(where)), asks_for_time_(asks_for_time) {}

  std::shared_ptr<const ExpoTemplate> handle_;
  std::string where_;
  bool asks_for_time_;
};

}  // namespace expo
