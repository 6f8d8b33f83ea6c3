#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "expo/text/text_span.h"

struct ExpoTemplate;

namespace expo {

/// What a chat template makes of a conversation.
struct RenderedChat {
  std::string text;
  /// What each {% generation %} wrote, as transformers' return_assistant_tokens_mask finds it. An
  /// end may lie beyond the text: transformers counts what a macro collects from where its caller
  /// stands.
  std::vector<TextSpan> generations = {};
};

/// A Jinja chat template. It renders the same characters as transformers' apply_chat_template does
/// with jinja2 3.1 in its immutable sandbox: values and operators are Python's, and the
/// environment's settings, filters, tests and functions are transformers'. What jinja2 refuses is
/// refused, and so is what it would print as an address or draw at random. Immutable and
/// thread-safe.
class ChatTemplate {
 public:
  /// Throws Error(input), with a message that begins with `where`, if the text is not a template.
  static ChatTemplate from_source(std::string_view source, std::string_view where);

  /// Whether the rendered text depends on the time (strftime_now).
  bool asks_for_time() const { return asks_for_time_; }
  /// Whether the template marks with {% generation %} what the assistant writes.
  bool marks_generation() const;

  /// Renders the template. `variables` is the text of a JSON object: messages,
  /// add_generation_prompt, bos_token and so on; of a name that occurs twice the last value counts.
  /// strftime_now uses `seconds_since_epoch` as the time, in UTC; std::nullopt means the clock, in
  /// local time. Throws Error(input), with the template's own words, if the template calls
  /// raise_exception.
  RenderedChat render(std::string_view variables,
                      std::optional<std::int64_t> seconds_since_epoch = std::nullopt) const;

 private:
  ChatTemplate(std::shared_ptr<const ExpoTemplate> handle, std::string where, bool asks_for_time)
      : handle_(std::move(handle)), where_(std::move(where)), asks_for_time_(asks_for_time) {}

  std::shared_ptr<const ExpoTemplate> handle_;
  std::string where_;
  bool asks_for_time_;
};

}  // namespace expo
