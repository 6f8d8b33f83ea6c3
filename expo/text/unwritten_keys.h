#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "expo/core/json.h"
#include "expo/text/prepared_chat.h"

namespace expo {

/// What a message says beside its content, calls or thoughts, of which the template writes nothing:
/// the keys without which the same text is rendered. Many templates know only role and content, and
/// some write thoughts of the last turn only. `text` is the rendering of the chat.
std::vector<std::string> unwritten_keys(const PreparedChat& chat, const std::string& text,
                                        const Json& messages, std::size_t index);

/// Throws Error(input), naming the turn, if a message has no content and the template writes none
/// of its other keys: a model that learns from it, or is judged by it, would be told to say
/// nothing.
void refuse_unwritten(const PreparedChat& chat, const std::string& text, const Json& messages,
                      std::size_t index);

}  // namespace expo
