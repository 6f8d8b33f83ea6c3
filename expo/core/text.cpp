#include "expo/core/text.h"

#include <algorithm>

#include "expo/core/utf8.h"

namespace expo {
namespace {

unsigned char byte_at(std::string_view text, std::size_t at) {
  return static_cast<unsigned char>(text[at]);
}

/// Bytes of the character that begins here; 0 for a control character and for bytes that are not
/// UTF-8.
std::size_t printable_length(std::string_view text) {
  const unsigned char lead = byte_at(text, 0);
  if (lead < 0x20 || lead == 0x7f) return 0;
  std::size_t length = 1;
  if (lead >= 0x80) length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (length > text.size() || !valid_utf8(text.substr(0, length))) return 0;
  const bool c1 = lead == 0xc2 && byte_at(text, 1) < 0xa0;
  return c1 ? 0 : length;
}

std::string escape(std::string_view text, bool keep_line_ends) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    std::size_t length = printable_length(text);
    if (text[0] == '\n' && keep_line_ends) length = 1;
    if (length > 0) {
      result += text.substr(0, length);
    } else {
      // The second byte of a C1 character is not UTF-8 by itself, so the next turn escapes it.
      const unsigned char byte = byte_at(text, 0);
      result += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return result;
}

}  // namespace

std::string counted(std::uint64_t count, std::string_view noun) {
  return std::to_string(count) + " " + std::string(noun) + (count == 1 ? "" : "s");
}

std::string lower_case(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char byte) { return !continues_character(byte); }));
}

std::string_view trimmed(std::string_view text, std::string_view spaces) {
  const std::size_t first = text.find_first_not_of(spaces);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(spaces) - first + 1);
}

std::string escape_controls(std::string_view text) {
  return escape(text, true);
}

std::string on_one_line(std::string_view text) {
  return escape(text, false);
}

std::string cut_to(std::string text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && continues_character(text[bytes])) --bytes;
  text.resize(bytes);
  return text + "…";
}

}  // namespace expo
