#pragma once

#include <string>
#include <vector>

#include "expo/core/json.h"

namespace expo {

/// A conversation as a row holds it: everything that reaches the chat template.
struct Chat {
  /// [{"role": "user", "content": …, …}, …] with every key of the row, as read_messages accepts
  /// them.
  Json messages = Json::array();
  /// Variables of the template that the row sets: `tools`, and those of `chat_template_kwargs`.
  Json variables = Json::object();

  bool operator==(const Chat&) const = default;
};

/// A conversation of one user's turn.
Json user_turn(const std::string& text);
/// An assistant's turn.
Json assistant_turn(const std::string& text);

/// What a message says: its content or, of content in parts, their texts joined by spaces, as
/// `transformers serve` joins them; empty if it has none.
std::string content_text(const Json& message);

/// Whether a message, whose role is text, is the assistant's.
bool is_assistant(const Json& message);

/// What the user's last turn says, which AlpacaEval and UltraFeedback call the prompt; without one,
/// what the last turn says.
std::string question_of(const Json& messages);

/// Whether a message has more than its role and name: a content, thoughts or calls that are not
/// empty.
bool says_something(const Json& message);

/// The keys by which a message says more than its content: calls and thoughts that are not empty.
std::vector<std::string> keys_beside_content(const Json& message);

/// A message without the keys that are null, and with the thoughts under each of the names that
/// templates read them by (reasoning_content, thinking): as transformers' apply_chat_template hands
/// it over. Where `join_parts` is set, content in parts becomes text.
Json message_for_template(const Json& message, bool join_parts);

}  // namespace expo
