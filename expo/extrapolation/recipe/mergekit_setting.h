#pragma once

#include <string>
#include <vector>

#include "expo/extrapolation/recipe/recipe.h"
#include "expo/extrapolation/recipe/recipe_value.h"

namespace expo {

/// A parameter of a mergekit recipe and how it varies over the tensors: a number; a list of numbers
/// (a gradient over the layers); or {filter, value} pairs, of which the first whose filter is part
/// of the tensor's name applies.
struct MergekitSetting {
  /// A value and the tensors that it applies to.
  struct Case {
    std::string filter;               ///< empty: matches every tensor
    std::vector<long double> points;  ///< one number, or those of a gradient
  };
  std::vector<Case> cases;

  /// Whether every tensor has a value.
  bool complete() const { return !cases.empty() && cases.back().filter.empty(); }
};

/// Parses a parameter. Throws Error(usage) for anything that mergekit would not accept as a number.
MergekitSetting parse_mergekit_setting(const RecipeReader& read, const YamlValue::Member& member);

/// `first` if it has a value for the tensor, else `second`: a model's own parameter overrides that
/// of the whole recipe.
MergekitSetting with_fallback(MergekitSetting first, const MergekitSetting& second);

/// α for the tensors whose names contain all of `filters`; if several match, the first applies.
struct MergekitAlpha {
  std::vector<std::string> filters;
  std::vector<double> points;
};

/// Writes α into a recipe as its `alpha` (the last entry, without filters) and `rules`. mergekit
/// uses a gradient's first point for every tensor outside the layers, also for those after them; a
/// separate rule expresses that.
void put_alpha(const std::vector<MergekitAlpha>& alphas, Recipe& recipe);

}  // namespace expo
