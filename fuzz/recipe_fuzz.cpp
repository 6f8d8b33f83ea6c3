// Parses any bytes as a recipe, ours or mergekit's.
#include <cmath>
#include <cstdint>
#include <string>

#include "expo/core/error.h"
#include "expo/extrapolation/plan/alpha_schedule.h"
#include "expo/extrapolation/recipe/recipe.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  expo::Recipe recipe;
  try {
    recipe = expo::parse_recipe({reinterpret_cast<const char*>(data), size}, "fuzz");
  } catch (const expo::Error& error) {
    if (error.category() != expo::ErrorCategory::usage) __builtin_trap();
    return 0;
  }
  // An accepted recipe can be used without further refusals.
  if (recipe.alpha && recipe.gamma) __builtin_trap();
  if (!recipe.alpha && !recipe.gamma) return 0;
  auto schedule = recipe.gamma ? expo::AlphaSchedule(expo::alpha_from_gamma(*recipe.gamma))
                               : expo::AlphaSchedule::gradient(recipe.alpha->points,
                                                               recipe.alpha->outside_layers);
  for (const auto& rule : recipe.rules)
    schedule.add_rule(rule.match, rule.alpha.points, rule.alpha.outside_layers);
  if (schedule.description().empty()) __builtin_trap();
  return 0;
}
