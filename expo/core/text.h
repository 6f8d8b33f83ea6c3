#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace expo {

/// A to Z as a to z; all other bytes stay.
std::string lower_case(std::string_view text);

/// "1 row", "2 rows": a noun that takes an s.
std::string counted(std::uint64_t count, std::string_view noun);

/// Text of others made safe for a terminal: control characters (U+0000 to U+001F but for line ends,
/// and U+007F to U+009F) and bytes that are not UTF-8 are written as \xHH, byte by byte. What is
/// escaped already stays as it is.
std::string escape_controls(std::string_view text);

/// The same for what is to stay on its line, such as a name: line ends are escaped too.
std::string on_one_line(std::string_view text);

}  // namespace expo
