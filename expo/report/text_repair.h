#pragma once

#include <string>
#include <string_view>

#include "expo/core/json.h"

namespace expo {

/// JSON text with U+FFFD in the place of what is no Unicode: bytes that are not UTF-8 (one for each
/// longest beginning of a character, as Python's errors="replace" and browsers do it), and escapes
/// of half a surrogate pair ("\ud83d" without its other half).
std::string repaired_json(std::string_view text);

/// Parses JSON, repaired where that is needed: text of models may have been cut anywhere. Throws
/// what parse_json throws.
Json parse_repaired(std::string_view text, std::string_view where);

}  // namespace expo
