#pragma once

#include "expo/core/json.h"
#include "expo/extrapolation/plan/alpha_schedule.h"
#include "expo/extrapolation/recipe/recipe.h"

namespace expo {

/// Whether a search, whose result search.json holds, recommends an α for each kind of module.
bool recommends_modules(const Json& result);

/// The α of each tensor that the search recommends.
AlphaSchedule recommended_schedule(const Json& result);

/// What `expo extrapolate --recipe` needs to write the model that the search recommends: the two
/// checkpoints, α, and the type and rounding of the search.
Recipe recommended_recipe(const Json& result);

}  // namespace expo
