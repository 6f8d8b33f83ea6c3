#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace expo {

/// A key of PEFT's rank_pattern or alpha_pattern: a Python regular expression that must match a
/// module's name, or the end of it after a dot; in Python `re.match(rf"(.*\.)?({key})$", name)`
/// (peft.utils.other.get_pattern_key). Matching takes time proportional to the product of both
/// lengths, whatever the expression. Immutable and thread-safe.
class ModulePattern {
 public:
  /// The number of steps to which all patterns of one file together may expand; otherwise many
  /// small patterns could take any amount of memory.
  struct Budget {
    std::size_t steps = 2'000'000;
  };

  /// Throws Error(input), with a message that begins with `where`, for text that is not a regular
  /// expression in Python, for one with lookarounds, backreferences, flags or possessive
  /// quantifiers (which PEFT's own patterns never have), for bytes beyond ASCII, and for one that
  /// expands to more than 20,000 steps or more than `budget` has left. The steps that it uses are
  /// subtracted from `budget`.
  ModulePattern(std::string_view key, const std::string& where, Budget& budget);

  /// PEFT's target_modules as one string: an expression that must match a module's whole name; in
  /// Python `re.fullmatch(pattern, name)`. Throws what the constructor throws.
  static ModulePattern of_whole_names(std::string_view pattern, const std::string& where);

  bool matches(std::string_view module) const;

  /// One step of the automaton that matches the pattern.
  struct Step {
    /// What the step does.
    enum class Kind : std::uint8_t { set, split, assertion, match };
    Kind kind = Kind::match;
    char assertion = 0;       ///< '^', '$' (before a final newline too), 'Z', 'b', 'B'
    std::uint32_t set = 0;    ///< the accepted bytes: an index into sets
    std::uint32_t next = 0;   ///< the step that follows
    std::uint32_t other = 0;  ///< the second successor of a split
  };
  /// The automaton.
  struct Program {
    std::vector<Step> steps;             ///< matching begins at `start`
    std::vector<std::bitset<256>> sets;  ///< without duplicates
    std::uint32_t start = 0;
  };

 private:
  ModulePattern() = default;

  std::optional<std::string> key_;  ///< a name that is equal to it matches, too
  Program program_;
};

}  // namespace expo
