#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

namespace expo {

/// JSON that keeps the order of its keys, so that output lists them in the order in which they were
/// written.
using Json = nlohmann::ordered_json;

/// Parses hostile text: strict JSON in UTF-8, without a byte-order mark, comments, trailing commas
/// or bytes after the value. Refuses a key that occurs twice in one object (an escaped spelling
/// counts as the same key: "\u0061" and "a") and nesting beyond `max_depth`. Throws Error(input)
/// with a message that begins with `where` (usually a file). Does not recurse on the input's depth.
Json parse_json(std::string_view text, std::string_view where, int max_depth = 128);

/// Adds a member to an object without ordered_json's search through the existing members. The
/// caller ensures that the key is new.
inline void append_member(Json& object, std::string key, Json value) {
  static_cast<Json::object_t::Container&>(object.get_ref<Json::object_t&>())
      .emplace_back(std::move(key), std::move(value));
}

// Both write bytes that are not UTF-8 (a path may hold any) as U+FFFD.

/// Serializes to one line. Both write the digits of a big integer (core/python_json.h).
std::string compact_json(const Json& value);
/// Serializes with an indentation of two spaces and a final newline.
std::string format_json(const Json& value);

}  // namespace expo
