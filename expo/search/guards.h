#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "expo/search/score_table.h"

namespace expo {

/// A limit on what an α may cost, relative to α = 0.
struct Guard {
  MeasurePick measure = &PromptScore::length;
  bool is_least = false;  ///< the measure may not fall below the limit, else not rise above it
  double limit = 0;
  bool is_ratio = false;  ///< `limit` is a multiple of the measure at α = 0, else added to it
  std::string text;       ///< as the user wrote it
};

/// Reads MEASURE<=LIMIT or MEASURE>=LIMIT. The measures are "length" (mean length of an answer),
/// "truncated" (share of answers that the limit ended) and the further ones of the source. A limit
/// that ends with x is a multiple of the measure at α = 0, as in "length<=1.5x"; any other is added
/// to it: "truncated<=0.05" allows five truncated answers in a hundred more than α = 0 has, and
/// "brief>=-0.05" a further score that is lower by at most 0.05. Throws Error(usage) for anything
/// else, for a limit that is added and that α = 0 itself would violate, and for a multiple of a
/// further objective, whose scores may be negative.
Guard parse_guard(std::string_view text, std::span<const Measure> further = {});

/// Whether the means over the common prompts violate the guard.
bool violates(const Guard& guard, std::span<const PromptScore> scores,
              std::span<const PromptScore> baseline);

/// Whether they violate it by more than two standard errors, so that few prompts do not make an α
/// ineligible by chance.
bool clearly_violates(const Guard& guard, std::span<const PromptScore> scores,
                      std::span<const PromptScore> baseline);

}  // namespace expo
