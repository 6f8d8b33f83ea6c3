#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "expo/text/chat.h"
#include "expo/text/chat_template.h"

namespace expo {

/// A conversation on its way through one template, so that it can be rendered again with another
/// message in the place of one. Refers to the template, which must outlive it. Thread-safe.
class PreparedChat {
 public:
  /// `variables` is the inside of a JSON object's text: all variables but messages and
  /// add_generation_prompt. `reads_parts` says that the template takes content in parts; for others
  /// it is joined.
  PreparedChat(const ChatTemplate& chat_template, const Json& messages, std::string variables,
               bool reads_parts, std::optional<std::int64_t> seconds_since_epoch);

  std::size_t size() const { return messages_.size(); }
  bool marks_generation() const { return template_.marks_generation(); }
  /// Whether the template itself joins the parts of a content.
  bool reads_parts() const { return reads_parts_; }

  RenderedChat render(bool add_generation_prompt) const;
  /// Renders the first `count` messages alone.
  RenderedChat render_first(std::size_t count, bool add_generation_prompt) const;
  /// Renders the conversation with `message` at `index`, or after the last message if `index` is
  /// size().
  RenderedChat render_with(std::size_t index, const Json& message) const;

 private:
  RenderedChat render(std::span<const std::string> messages, bool add_generation_prompt) const;

  const ChatTemplate& template_;
  std::vector<std::string> messages_;  ///< as JSON text
  std::string variables_;
  bool reads_parts_;
  std::optional<std::int64_t> seconds_since_epoch_;
};

}  // namespace expo
