#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "expo/core/json.h"

namespace expo {

// Python's json.dumps writes NaN, Infinity and -Infinity for numbers that JSON has not. parse_json
// refuses them as that, with line, column and key.

/// parse_json (with its checks, limits and errors) that reads numbers as Python's json.loads does:
/// for rows of data sets, of which few columns are used. It takes these words for such numbers,
/// which compact_json and format_json write as null; a number with a fraction or an exponent that
/// is beyond the range of doubles (1e400) is infinite; and an integer beyond 64 bits keeps its
/// digits (is_big_integer).
Json parse_python_json(std::string_view text, std::string_view where, int max_depth = 128);

// An integer beyond 64 bits, which Json's own numbers would round, is kept with its digits: as a
// binary value with a subtype of its own. Only parse_python_json and big_integer() make one, and
// only compact_json and format_json write it: as its digits. Json::dump() does not know it, nor do
// is_number(), get<double>() and type_name(), so whoever takes numbers from rows asks
// is_big_integer(), too. Two are equal if their digits are; none equals a number of another kind.
// find_non_finite takes it for the finite number that it is.

/// `digits` is the integer as JSON writes it.
Json big_integer(std::string_view digits);
bool is_big_integer(const Json& value);

/// Json::type_name() for messages: a big integer is a "number", as every other number is.
const char* json_type_name(const Json& value);

/// A number that JSON has not.
struct NonFiniteNumber {
  std::string word;  ///< "NaN", "Infinity" or "-Infinity"
  std::string path;  ///< "scores[2].mean"; empty where the value itself is the number
};

/// The first of them in a value that parse_python_json gave.
std::optional<NonFiniteNumber> find_non_finite(const Json& value);

}  // namespace expo
