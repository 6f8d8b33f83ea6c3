#pragma once

#include <cstddef>
#include <vector>

namespace expo {

/// How an answer has collapsed.
enum class Collapse {
  none,
  empty,      ///< it has no word
  repeating,  ///< at least 20 words, of whose 4-grams more than half repeat earlier ones
  endless,    ///< a limit ended it, and it is not repeating
};

/// The answers of one candidate by how they have collapsed.
struct CollapseCounts {
  std::size_t answers = 0;
  std::size_t empty = 0;
  std::size_t repeating = 0;
  std::size_t endless = 0;

  void add(Collapse collapse);
  std::size_t count(Collapse collapse) const;
  double share(Collapse collapse) const;  ///< 0 without answers
};

/// The kinds of collapse that are worse than at α = 0: more frequent by at least twenty answers in
/// a hundred, and by more than two standard errors of the difference of two shares, so that a few
/// answers do not condemn an α by chance. The errors are those of Agresti & Caffo (2000), who add
/// two answers of either kind to both sides.
std::vector<Collapse> collapses_beyond(const CollapseCounts& counts,
                                       const CollapseCounts& baseline);

/// "empty", "repeating" or "endless"; "none".
const char* collapse_name(Collapse collapse);

}  // namespace expo
