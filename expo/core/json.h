#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

namespace expo {

/// JSON that keeps the order of keys, so that what is written is read in the order of its author.
using Json = nlohmann::ordered_json;

/// Parses hostile text: strict JSON in UTF-8 without BOM, comments, trailing commas or bytes after
/// the value. Refuses a key that occurs twice in one object (also by escape: "\u0061" and "a") and
/// nesting beyond `max_depth`. Throws Error(input); `where` (a file) begins the message. Does not
/// recurse on the input's depth.
Json parse_json(std::string_view text, std::string_view where, int max_depth = 128);

/// Adds a member to an object without ordered_json's search through all the others: the caller
/// knows that the key is new.
inline void append_member(Json& object, std::string key, Json value) {
  static_cast<Json::object_t::Container&>(object.get_ref<Json::object_t&>())
      .emplace_back(std::move(key), std::move(value));
}

// Bytes that are not UTF-8 (a path may hold any) are written as U+FFFD.

/// Text on one line.
std::string compact_json(const Json& value);
/// Text with two spaces of indentation and a final newline.
std::string format_json(const Json& value);

}  // namespace expo
