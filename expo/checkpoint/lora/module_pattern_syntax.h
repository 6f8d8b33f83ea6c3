#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace expo {

/// A regular expression of Python's re module as a tree.
struct PatternNode {
  /// The kind of a node.
  enum class Kind : std::uint8_t { set, assertion, sequence, alternatives, repeat };
  Kind kind = Kind::sequence;
  std::bitset<256> set;               ///< the bytes that a set accepts
  char assertion = 0;                 ///< '^', '$', 'Z', 'b', 'B'
  std::uint32_t least = 0;            ///< minimum of a repeat
  std::optional<std::uint32_t> most;  ///< maximum of a repeat; std::nullopt if it has none
  std::vector<PatternNode> children;
};

/// Whether a byte is a word character, as for \w and \b.
bool is_word_byte(unsigned char byte) noexcept;

/// Parses an expression. Throws Error(input), with a message that begins with `what`, for
/// everything that ModulePattern refuses. Nesting is bounded.
PatternNode parse_pattern(std::string_view text, const std::string& what);

}  // namespace expo
