#pragma once

#include <string>

#include "expo/extrapolation/recipe/recipe.h"

namespace expo {

/// A recipe as YAML that parse_recipe() reads back with the same values, bit for bit.
/// `outside_layers` of an α and notes have no place in it.
std::string recipe_text(const Recipe& recipe);

}  // namespace expo
