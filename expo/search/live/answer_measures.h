#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "expo/engine/stop_options.h"
#include "expo/search/source/collapse.h"
#include "expo/search/source/score_source.h"

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

/// The further measures of answers that are scored by some programs or models more than the one
/// that decides: their names, "repetition" (the share of an answer's 4-grams that repeat earlier
/// ones) and "distinct_2" (the share of its 2-grams that do not).
std::vector<Measure> measures_of_answers(const std::vector<std::string>& objectives);

/// Repetition and distinct_2 of an answer.
std::vector<double> measures_of(std::string_view text);

/// How an answer has collapsed, by its text and its end.
Collapse collapse_of(std::string_view text, FinishReason finish);

}  // namespace expo
