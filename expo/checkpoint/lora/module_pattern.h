#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace expo {

/// A key of PEFT's rank_pattern or alpha_pattern: a Python regular expression that is to match a
/// module's name, or its end after a dot; in Python `re.match(rf"(.*\.)?({key})$", name)`
/// (peft.utils.other.get_pattern_key). Matching takes time proportional to the product of both
/// lengths, whatever the expression. Immutable and thread-safe.
class ModulePattern {
 public:
  /// Steps that the patterns of one file may expand to, all together: many small ones would
  /// otherwise take any amount of memory.
  struct Budget {
    std::size_t steps = 2'000'000;
  };

  /// Throws Error(input), which `where` begins, for what is no regular expression in Python, for
  /// one that looks around or back, sets flags or is possessive (none of which PEFT's own patterns
  /// do), for bytes beyond ASCII, and for one that expands to more than 20,000 steps or than
  /// `budget` has left; what it takes is subtracted there.
  ModulePattern(std::string_view key, const std::string& where, Budget& budget);

  bool matches(std::string_view module) const;

  struct Step {
    enum class Kind : std::uint8_t { set, split, assertion, match };
    Kind kind = Kind::match;
    char assertion = 0;       ///< '^', '$' (before a final newline too), 'Z', 'b', 'B'
    std::uint32_t set = 0;    ///< the bytes that are taken: an index into sets
    std::uint32_t next = 0;   ///< where it goes on
    std::uint32_t other = 0;  ///< of a split: where it goes on as well
  };
  struct Program {
    std::vector<Step> steps;             ///< begins at `start`
    std::vector<std::bitset<256>> sets;  ///< each once
    std::uint32_t start = 0;
  };

 private:
  std::string key_;
  Program program_;
};

}  // namespace expo
