#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace expo {

/// Converts A to Z to lower case and leaves all other bytes as they are.
std::string lower_case(std::string_view text);

/// A count with its noun, which takes an s in the plural: "1 row", "2 rows".
std::string counted(std::uint64_t count, std::string_view noun);

/// Whether a byte of UTF-8 goes on with a character that an earlier byte began.
constexpr bool continues_character(char byte) {
  return (static_cast<unsigned char>(byte) >> 6) == 2;
}

/// The number of characters (code points) of UTF-8 text.
std::size_t count_characters(std::string_view text);

/// The text without the `spaces` at its ends.
std::string_view trimmed(std::string_view text, std::string_view spaces = " ");

/// Makes foreign text safe for a terminal: control characters (U+0000 to U+001F except line ends,
/// and U+007F to U+009F) and bytes that are not UTF-8 are written as \xHH, byte by byte. Text that
/// is already escaped stays as it is.
std::string escape_controls(std::string_view text);

/// Does the same for text that must stay on one line, such as a name: line ends are escaped too.
std::string on_one_line(std::string_view text);

/// UTF-8 text fit for a message: at most `bytes` of it, in whole characters, and "…" for what is
/// left out.
std::string cut_to(std::string text, std::size_t bytes);

}  // namespace expo
