#include "expo/extrapolation/recipe/recipe_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "expo/core/json.h"

namespace expo {
namespace {

/// Quoted as JSON is, which YAML reads alike.
std::string quoted(const std::string& text) {
  return compact_json(Json(text));
}

void add(std::string& text, std::string_view key, const std::optional<std::string>& value) {
  if (value) text += fmt::format("{}: {}\n", key, quoted(*value));
}

std::string alpha_text(const Recipe::Alpha& alpha) {
  if (alpha.points.size() == 1) return fmt::format("{}", alpha.points.front());
  return fmt::format("{{gradient: [{}]}}", fmt::join(alpha.points, ", "));
}

}  // namespace

std::string recipe_text(const Recipe& recipe) {
  std::string text;
  add(text, "sft", recipe.sft);
  add(text, "aligned", recipe.aligned);
  add(text, "output", recipe.output);
  if (recipe.alpha) text += fmt::format("alpha: {}\n", alpha_text(*recipe.alpha));
  if (recipe.gamma) text += fmt::format("gamma: {}\n", *recipe.gamma);
  if (!recipe.rules.empty()) text += "alpha_for:\n";
  for (const Recipe::Rule& rule : recipe.rules) {
    text +=
        fmt::format("  - {{match: {}, alpha: {}}}\n", quoted(rule.match), alpha_text(rule.alpha));
  }
  add(text, "out_dtype", recipe.out_dtype);
  add(text, "rounding", recipe.rounding);
  if (recipe.seed) text += fmt::format("seed: {}\n", *recipe.seed);
  add(text, "max_shard_size", recipe.max_shard_size);
  add(text, "on_mismatch", recipe.on_mismatch);
  return text;
}

}  // namespace expo
