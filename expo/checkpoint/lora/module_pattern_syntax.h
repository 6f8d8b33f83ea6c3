#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace expo {

/// A regular expression of Python's re as a tree.
struct PatternNode {
  enum class Kind : std::uint8_t { set, assertion, sequence, alternatives, repeat };
  Kind kind = Kind::sequence;
  std::bitset<256> set;               ///< of a set: the bytes that it takes
  char assertion = 0;                 ///< '^', '$', 'Z', 'b', 'B'
  std::uint32_t least = 0;            ///< of a repeat
  std::optional<std::uint32_t> most;  ///< of a repeat; nothing: no end to it
  std::vector<PatternNode> children;
};

/// Whether a byte is a word's, as \w and \b have it.
bool is_word_byte(unsigned char byte) noexcept;

/// Parses an expression; `what` begins the message of the Error(input) that is thrown for whatever
/// ModulePattern refuses. Nesting is bounded.
PatternNode parse_pattern(std::string_view text, const std::string& what);

}  // namespace expo
