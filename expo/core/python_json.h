#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "expo/core/json.h"

namespace expo {

// Python's json.dumps writes NaN, Infinity and -Infinity for numbers that JSON has not. parse_json
// refuses them as that, with line, column and key.

/// parse_json (with its checks, limits and errors) that takes these words for such numbers: for
/// rows of data sets, of which few columns are used. compact_json and format_json write them as
/// null.
Json parse_python_json(std::string_view text, std::string_view where, int max_depth = 128);

/// A number that JSON has not.
struct NonFiniteNumber {
  std::string word;  ///< "NaN", "Infinity" or "-Infinity"
  std::string path;  ///< "scores[2].mean"; empty where the value itself is the number
};

/// The first of them in a value that parse_python_json gave.
std::optional<NonFiniteNumber> find_non_finite(const Json& value);

}  // namespace expo
