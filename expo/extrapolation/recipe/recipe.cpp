#include "expo/extrapolation/recipe/recipe.h"

#include <fmt/format.h>

#include "expo/core/byte_size.h"
#include "expo/core/dtype.h"
#include "expo/core/error.h"
#include "expo/extrapolation/plan/alpha_schedule.h"
#include "expo/extrapolation/plan/plan.h"
#include "expo/extrapolation/plan/rounding_choice.h"
#include "expo/extrapolation/recipe/mergekit_recipe.h"
#include "expo/extrapolation/recipe/recipe_value.h"

namespace expo {
namespace {

constexpr std::size_t kMostPoints = 10'000;
constexpr std::size_t kMostRules = 1'000;

class RecipeParser {
 public:
  RecipeParser(const YamlValue& root, const std::string& where) : root_(root), read_(where) {}

  Recipe parse() {
    read_.require_mapping(root_, "the recipe");
    read_.check_keys(root_,
                     {"sft", "aligned", "output", "alpha", "gamma", "alpha_for", "out_dtype",
                      "rounding", "seed", "max_shard_size", "on_mismatch"},
                     "a recipe");
    parse_places();
    parse_strength();
    parse_output();
    return std::move(recipe_);
  }

 private:
  void parse_places() {
    if (const auto* member = root_.find("sft")) recipe_.sft = read_.text(*member);
    if (const auto* member = root_.find("aligned")) recipe_.aligned = read_.text(*member);
    if (const auto* member = root_.find("output")) recipe_.output = read_.text(*member);
  }

  void parse_strength() {
    const auto* alpha = root_.find("alpha");
    const auto* gamma = root_.find("gamma");
    if (alpha != nullptr && gamma != nullptr) {
      read_.refuse(gamma->line, "alpha and gamma set the same value; give only one of them");
    }
    if (alpha != nullptr) recipe_.alpha = parse_alpha(*alpha);
    if (gamma != nullptr) {
      recipe_.gamma = read_.number(*gamma->value, "gamma");
      at_line(gamma->line, [&] { alpha_from_gamma(*recipe_.gamma); });
    }
    if (const auto* rules = root_.find("alpha_for")) parse_rules(*rules);
  }

  Recipe::Alpha parse_alpha(const YamlValue::Member& member) {
    const YamlValue& value = *member.value;
    if (value.kind != YamlValue::Kind::mapping) return {{read_.number(value, member.key)}, {}};
    read_.check_keys(value, {"gradient"}, member.key);
    const auto* gradient = value.find("gradient");
    const bool filled = gradient != nullptr && gradient->value->kind == YamlValue::Kind::sequence &&
                        !gradient->value->items.empty() &&
                        gradient->value->items.size() <= kMostPoints;
    if (!filled) {
      read_.refuse(member.line,
                   fmt::format("{} needs a list of 1 to {} numbers in {{gradient: […]}}",
                               member.key, kMostPoints));
    }
    Recipe::Alpha result;
    for (const auto& item : gradient->value->items) {
      result.points.push_back(read_.number(*item, "gradient"));
    }
    return result;
  }

  void parse_rules(const YamlValue::Member& member) {
    const YamlValue& list = *member.value;
    if (list.kind != YamlValue::Kind::sequence || list.items.size() > kMostRules) {
      read_.refuse(member.line,
                   fmt::format("alpha_for needs a list of at most {} {{match: REGEX, alpha: …}}",
                               kMostRules));
    }
    for (const auto& item : list.items) recipe_.rules.push_back(parse_rule(*item));
  }

  Recipe::Rule parse_rule(const YamlValue& rule) {
    read_.require_mapping(rule, "a rule of alpha_for");
    read_.check_keys(rule, {"match", "alpha"}, "a rule of alpha_for");
    const auto* match = rule.find("match");
    const auto* alpha = rule.find("alpha");
    if (match == nullptr) read_.refuse(rule.line, "a rule of alpha_for has no match");
    if (alpha == nullptr) read_.refuse(rule.line, "a rule of alpha_for has no alpha");
    at_line(match->line, [&] { AlphaSchedule(0).add_rule(read_.text(*match), 0); });
    return {read_.text(*match), parse_alpha(*alpha)};
  }

  void parse_output() {
    if (const auto* member = root_.find("out_dtype")) recipe_.out_dtype = parse_dtype(*member);
    if (const auto* member = root_.find("rounding")) recipe_.rounding = parse_rounding(*member);
    if (const auto* member = root_.find("seed")) recipe_.seed = read_.unsigned_number(*member);
    if (const auto* member = root_.find("max_shard_size")) {
      recipe_.max_shard_size = read_.text(*member);
      at_line(member->line, [&] { parse_byte_size(*recipe_.max_shard_size); });
    }
    if (const auto* member = root_.find("on_mismatch")) {
      recipe_.on_mismatch = read_.text(*member);
      at_line(member->line, [&] { parse_mismatch_policy(*recipe_.on_mismatch); });
    }
  }

  std::string parse_dtype(const YamlValue::Member& member) {
    const std::string& word = read_.text(member);
    const auto dtype = dtype_from_user(word);
    if (!dtype || !supports_arithmetic(*dtype)) {
      read_.refuse(
          member.line,
          fmt::format("out_dtype is \"{}\"; expected bfloat16, float16, float32 or float64", word));
    }
    return word;
  }

  std::string parse_rounding(const YamlValue::Member& member) {
    const std::string& word = read_.text(member);
    if (rounding_choice_from_user(word)) return word;
    read_.refuse(member.line,
                 fmt::format("rounding is \"{}\"; expected auto, nearest or stochastic", word));
  }

  /// Runs a check of another part and adds the line to its refusal.
  template <typename Check>
  void at_line(int line, const Check& check) {
    try {
      check();
    } catch (const Error& error) {
      read_.refuse(line, error.what());
    }
  }

  const YamlValue& root_;
  RecipeReader read_;
  Recipe recipe_;
};

}  // namespace

Recipe parse_recipe(const std::string& text, const std::string& where) {
  const YamlValue::Pointer root = parse_yaml(text, where);
  if (is_mergekit_recipe(*root)) return parse_mergekit_recipe(*root, where);
  return RecipeParser(*root, where).parse();
}

Recipe read_recipe(Filesystem& filesystem, const std::filesystem::path& file) {
  return parse_recipe(filesystem.read_text(file, 1'000'000), file.string());
}

}  // namespace expo
