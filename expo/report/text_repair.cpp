#include "expo/report/text_repair.h"

#include <cstdint>
#include <optional>

#include "expo/core/utf8.h"

namespace expo {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
constexpr std::string_view kEscapedReplacement = "\\ufffd";
constexpr std::size_t kEscape = 6;  // the length of "\u0041"

struct Bounds {
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
};

/// The bytes that may follow a first byte of UTF-8; the other ones of its character are 80 to BF.
Bounds second_of(unsigned char lead) {
  if (lead == 0xE0) return {0xA0, 0xBF};
  if (lead == 0xED) return {0x80, 0x9F};
  if (lead == 0xF0) return {0x90, 0xBF};
  if (lead == 0xF4) return {0x80, 0x8F};
  return {};
}

std::size_t length_of(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  return lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

struct Character {
  std::size_t bytes = 1;  ///< of it, or of what there is of it
  bool is_whole = false;
};

Character first_character(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t length = length_of(lead);
  if (length == 0) return {};
  Bounds bounds = second_of(lead);
  for (std::size_t i = 1; i < length; ++i, bounds = {}) {
    const auto next = static_cast<unsigned char>(i < text.size() ? text[i] : '\0');
    if (next < bounds.low || next > bounds.high) return {i, false};
  }
  return {length, true};
}

/// The number of an escape such as "\u0041" at the beginning of the text.
std::optional<std::uint32_t> escaped(std::string_view text) {
  if (text.size() < kEscape || !text.starts_with("\\u")) return std::nullopt;
  std::uint32_t value = 0;
  for (const char digit : text.substr(2, 4)) {
    const bool is_decimal = digit >= '0' && digit <= '9';
    const char lower = static_cast<char>(digit | 0x20);
    if (!is_decimal && (lower < 'a' || lower > 'f')) return std::nullopt;
    value = value * 16 + static_cast<std::uint32_t>(is_decimal ? digit - '0' : lower - 'a' + 10);
  }
  return value;
}

bool is_high(std::uint32_t value) {
  return value >= 0xD800 && value < 0xDC00;
}

bool is_low(std::uint32_t value) {
  return value >= 0xDC00 && value < 0xE000;
}

/// Appends what the text begins with, which is a backslash, and returns its length.
std::size_t append_escape(std::string& result, std::string_view text) {
  const auto value = escaped(text);
  const std::size_t plain = std::min<std::size_t>(value ? kEscape : 2, text.size());
  if (!value || (!is_high(*value) && !is_low(*value))) {
    // What follows may be a byte that is no UTF-8, which has its own turn.
    const std::size_t taken = text.size() > 1 && (text[1] & 0x80) != 0 ? 1 : plain;
    result += text.substr(0, taken);
    return taken;
  }
  const auto other = is_high(*value) ? escaped(text.substr(kEscape)) : std::nullopt;
  if (other && is_low(*other)) {
    result += text.substr(0, 2 * kEscape);
    return 2 * kEscape;
  }
  result += kEscapedReplacement;
  return kEscape;
}

bool may_need_repair(std::string_view text) {
  return !valid_utf8(text) || text.find("\\ud") != std::string_view::npos ||
         text.find("\\uD") != std::string_view::npos;
}

}  // namespace

std::string repaired_json(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    std::size_t taken = 0;
    if (text.front() == '\\') {
      taken = append_escape(result, text);
    } else {
      const Character first = first_character(text);
      taken = first.bytes;
      result += first.is_whole ? text.substr(0, taken) : kReplacement;
    }
    text.remove_prefix(taken);
  }
  return result;
}

Json parse_repaired(std::string_view text, std::string_view where) {
  return may_need_repair(text) ? parse_json(repaired_json(text), where) : parse_json(text, where);
}

}  // namespace expo
