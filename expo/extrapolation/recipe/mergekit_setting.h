#pragma once

#include <string>
#include <vector>

#include "expo/extrapolation/recipe/recipe.h"
#include "expo/extrapolation/recipe/recipe_value.h"

namespace expo {

/// A parameter of a mergekit recipe as it varies over the tensors: a number; a list of numbers (a
/// gradient over the layers); or {filter, value} pairs, of which the first whose filter is part of
/// the tensor's name counts.
struct MergekitSetting {
  struct Case {
    std::string filter;               ///< empty: every tensor
    std::vector<long double> points;  ///< one number, or a gradient's
  };
  std::vector<Case> cases;

  /// Whether every tensor has a value.
  bool complete() const { return !cases.empty() && cases.back().filter.empty(); }
};

/// Throws Error(usage) for anything that mergekit would not take for a number.
MergekitSetting parse_mergekit_setting(const RecipeReader& read, const YamlValue::Member& member);

/// `first` where it has a value for the tensor, else `second`: a model's own parameter over that of
/// the whole recipe.
MergekitSetting with_fallback(MergekitSetting first, const MergekitSetting& second);

/// α for the tensors whose names contain every one of `filters`; of several, the first counts.
struct MergekitAlpha {
  std::vector<std::string> filters;
  std::vector<double> points;
};

/// Writes α into a recipe as its `alpha` (the last entry, without filters) and `rules`. mergekit
/// gives every tensor outside the layers, also those behind them, a gradient's first point, for
/// which a rule of its own is made.
void put_alpha(const std::vector<MergekitAlpha>& alphas, Recipe& recipe);

}  // namespace expo
