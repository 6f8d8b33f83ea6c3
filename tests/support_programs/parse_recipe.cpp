// Prints a recipe as JSON and, if a file with tensor names (one per line) is given, α of each of
// them.
#include <cstdio>
#include <sstream>

#include "expo/core/error.h"
#include "expo/core/json.h"
#include "expo/extrapolation/plan/alpha_schedule.h"
#include "expo/extrapolation/recipe/recipe.h"

namespace expo {
namespace {

AlphaSchedule schedule_of(const Recipe& recipe) {
  AlphaSchedule schedule =
      recipe.gamma ? AlphaSchedule(alpha_from_gamma(*recipe.gamma))
                   : AlphaSchedule::gradient(recipe.alpha->points, recipe.alpha->outside_layers);
  for (const auto& rule : recipe.rules)
    schedule.add_rule(rule.match, rule.alpha.points, rule.alpha.outside_layers);
  return schedule;
}

Json alphas(const Recipe& recipe, const std::string& names) {
  const AlphaSchedule schedule = schedule_of(recipe);
  unsigned layers = 1;
  std::istringstream first(names);
  for (std::string name; std::getline(first, name);) {
    layers = std::max(layers, layer_of(name).value_or(0) + 1);
  }
  Json result = Json::object();
  std::istringstream second(names);
  for (std::string name; std::getline(second, name);) {
    result[name] = schedule.alpha_for(name, layers);
  }
  return result;
}

Json describe(const Recipe& recipe) {
  Json result{{"sft", recipe.sft.value_or("")},
              {"aligned", recipe.aligned.value_or("")},
              {"out_dtype", recipe.out_dtype.value_or("")},
              {"notes", recipe.notes}};
  if (recipe.alpha) result["alpha"] = recipe.alpha->points;
  for (const auto& rule : recipe.rules) {
    result["rules"].push_back({{"match", rule.match}, {"alpha", rule.alpha.points}});
  }
  return result;
}

}  // namespace
}  // namespace expo

int main(int argc, char** argv) {
  try {
    if (argc != 2 && argc != 3) throw expo::usage_error("usage: parse_recipe RECIPE [NAMES]");
    const expo::Recipe recipe = expo::read_recipe(expo::posix_filesystem(), argv[1]);
    expo::Json result = expo::describe(recipe);
    if (argc == 3) {
      result["alphas"] = expo::alphas(recipe, expo::posix_filesystem().read_text(argv[2]));
    }
    std::fputs(expo::format_json(result).c_str(), stdout);
    return 0;
  } catch (const expo::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return expo::exit_code(error.category());
  }
}
