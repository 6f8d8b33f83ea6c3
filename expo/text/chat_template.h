#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "expo/core/json.h"

struct ExpoTemplate;

namespace expo {

/// A Jinja chat template that renders what transformers' apply_chat_template renders: trim_blocks,
/// lstrip_blocks, loop controls, {% generation %}, tojson without HTML escapes, raise_exception and
/// strftime_now, and Python's spelling of True, None, lists and dictionaries. Immutable and
/// thread-safe.
class ChatTemplate {
 public:
  /// Throws Error(input), beginning with `where`, for text that is no template.
  static ChatTemplate from_source(std::string_view source, std::string_view where);

  /// Whether what it renders depends on the time (strftime_now).
  bool asks_for_time() const { return asks_for_time_; }

  /// `variables` is an object: messages, add_generation_prompt, bos_token and so on. Throws
  /// Error(input) with the template's own words where it calls raise_exception.
  /// strftime_now takes `seconds_since_epoch`, in UTC, for now; nothing is the clock's local time.
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
