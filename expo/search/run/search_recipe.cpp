#include "expo/search/run/search_recipe.h"

#include "expo/search/live/module_schedule.h"

namespace expo {
namespace {

ModulePoint recommended_point(const Json& result) {
  if (!recommends_modules(result)) return {};
  const Json& parameters = result.at("modules").at("parameters");
  return {parameters.at("attention"), parameters.at("mlp"), parameters.at("rest"),
          parameters.at("slope")};
}

/// A member of the result that is a text; std::nullopt if it is not there.
std::optional<std::string> text_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

void add_setting(const Json& setting, Recipe& recipe) {
  recipe.out_dtype = text_at(setting, "dtype");
  recipe.rounding = text_at(setting, "rounding");
  if (recipe.rounding == "stochastic")
    recipe.seed = setting.at("rounding_seed").get<std::uint64_t>();
}

}  // namespace

bool recommends_modules(const Json& result) {
  const auto modules = result.find("modules");
  return modules != result.end() && modules->is_object() && modules->at("verdict") == "gain";
}

AlphaSchedule recommended_schedule(const Json& result) {
  const auto alpha = result.at("alpha").get<double>();
  if (!recommends_modules(result)) return AlphaSchedule(alpha);
  return module_schedule(alpha, recommended_point(result));
}

Recipe recommended_recipe(const Json& result) {
  Recipe recipe;
  recipe.sft = text_at(result, "sft");
  recipe.aligned = text_at(result, "model");
  if (!recipe.aligned) recipe.aligned = text_at(result, "aligned");
  const auto alpha = result.at("alpha").get<double>();
  recipe.alpha = Recipe::Alpha{{alpha}, {}};
  if (recommends_modules(result)) {
    const std::vector<ModuleRule> rules = module_rules(alpha, recommended_point(result));
    recipe.alpha->points = rules.front().points;
    for (std::size_t i = 1; i < rules.size(); ++i)
      recipe.rules.push_back({rules[i].match, {rules[i].points, {}}});
  }
  if (const auto setting = result.find("setting"); setting != result.end())
    add_setting(*setting, recipe);
  recipe.on_mismatch = text_at(result, "on_mismatch");
  return recipe;
}

}  // namespace expo
