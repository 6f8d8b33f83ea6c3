#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "expo/engine/stop_options.h"

namespace expo {

// What an α costs besides its score, measured on the texts of answers. Words are what stands
// between white space; a character from U+2E80 on (Chinese, Japanese, Korean …) is a word of its
// own.

/// The share of an answer's n-grams of words that occur for the first time; 1 for a text of fewer
/// than n words. 1 − distinct_share(text, 4) is the repetition of Welleck et al. (2020).
double distinct_share(std::string_view text, std::size_t n);

/// The same over several answers together, so that answers that resemble each other lower it
/// (distinct-n of Li et al., 2016). It falls with the number of words: compare it only between
/// answers to the same prompts, and with their lengths in view.
double distinct_share(std::span<const std::string_view> texts, std::size_t n);

/// How an answer has collapsed.
enum class Collapse {
  none,
  empty,      ///< it has no word
  repeating,  ///< at least 20 words, of whose 4-grams more than half repeat earlier ones
  endless,    ///< the limit ended it, and it is not repeating
};
Collapse collapse_of(std::string_view text, FinishReason finish);

/// The answers of one candidate by how they have collapsed.
struct CollapseCounts {
  std::size_t answers = 0;
  std::size_t empty = 0;
  std::size_t repeating = 0;
  std::size_t endless = 0;

  void add(Collapse collapse);
  double share(Collapse collapse) const;  ///< 0 without answers
};

/// The kinds of collapse that are worse than at α = 0: more frequent by at least five answers in a
/// hundred, and by more than two standard errors of the difference of two shares, so that a few
/// answers do not condemn an α by chance.
std::vector<Collapse> collapses_beyond(const CollapseCounts& counts,
                                       const CollapseCounts& baseline);

/// "empty", "repeating" or "endless"; "none".
const char* collapse_name(Collapse collapse);

}  // namespace expo
