#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "expo/search/score_table.h"

namespace expo {

/// A limit on what an α may cost, relative to α = 0.
struct Guard {
  double PromptScore::*measure = nullptr;
  double most = 0;
  bool is_ratio = false;  ///< `most` is a multiple of the measure at α = 0, else an excess over it
  std::string text;       ///< as the user wrote it
};

/// Reads MEASURE<=LIMIT: the measures are "length" (mean length of an answer) and "truncated"
/// (share of answers that the limit ended). A limit that ends with x is a multiple of the measure
/// at α = 0, as in "length<=1.5x"; any other is added to it, so that "truncated<=0.05" allows five
/// truncated answers in a hundred more than α = 0 has. Throws Error(usage) for anything else.
Guard parse_guard(std::string_view text);

/// Whether the means over the common prompts violate the guard.
bool violates(const Guard& guard, std::span<const PromptScore> scores,
              std::span<const PromptScore> baseline);

/// Whether they violate it by more than two standard errors, so that few prompts do not make an α
/// ineligible by chance.
bool clearly_violates(const Guard& guard, std::span<const PromptScore> scores,
                      std::span<const PromptScore> baseline);

}  // namespace expo
