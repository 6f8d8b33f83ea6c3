#include "expo/extrapolation/recipe/mergekit_setting.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>

namespace expo {
namespace {

constexpr std::size_t kMostCases = 100;
constexpr std::size_t kMostPoints = 10'000;
constexpr std::size_t kLongestFilter = 200;

std::vector<long double> parse_points(const RecipeReader& read, const YamlValue& value,
                                      const std::string& key) {
  if (value.kind != YamlValue::Kind::sequence) return {read.exact_number(value, key)};
  if (value.items.empty() || value.items.size() > kMostPoints) {
    read.refuse(value.line,
                fmt::format("{} needs 1 to {} numbers in a gradient", key, kMostPoints));
  }
  std::vector<long double> points;
  for (const auto& item : value.items) points.push_back(read.exact_number(*item, key));
  return points;
}

/// Parses a filter; an absent one, null and "*" match every tensor.
std::string parse_filter(const RecipeReader& read, const YamlValue& condition) {
  const auto* filter = condition.find("filter");
  if (filter == nullptr || filter->value->kind == YamlValue::Kind::null) return "";
  const std::string& text = read.text(*filter);
  if (text.size() > kLongestFilter) {
    read.refuse(filter->line, fmt::format("filter has {} characters, but at most {} are supported",
                                          text.size(), kLongestFilter));
  }
  return text == "*" ? "" : text;
}

MergekitSetting::Case parse_case(const RecipeReader& read, const YamlValue& condition,
                                 const std::string& key) {
  read.require_mapping(condition, "a condition of " + key);
  read.check_keys(condition, {"filter", "value"}, "a condition of " + key);
  const auto* value = condition.find("value");
  if (value == nullptr) read.refuse(condition.line, "a condition of " + key + " has no value");
  return {parse_filter(read, condition), parse_points(read, *value->value, key)};
}

bool is_conditional(const YamlValue& value) {
  return value.kind == YamlValue::Kind::mapping ||
         (value.kind == YamlValue::Kind::sequence && !value.items.empty() &&
          value.items.front()->kind == YamlValue::Kind::mapping);
}

std::string escape(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (std::string_view("\\^$.|?*+()[]{}").find(c) != std::string_view::npos) result += '\\';
    result += c;
  }
  return result;
}

std::string expression(const std::vector<std::string>& filters) {
  if (filters.size() == 1) return escape(filters.front());
  std::string result = "^";
  for (const std::string& filter : filters) result += "(?=.*" + escape(filter) + ")";
  return result;
}

void put_rules(const MergekitAlpha& entry, Recipe& recipe) {
  const Recipe::Alpha alpha{entry.points, entry.points.front()};
  if (entry.filters.empty()) {
    recipe.alpha = alpha;
  } else {
    recipe.rules.push_back({expression(entry.filters), alpha});
  }
}

}  // namespace

MergekitSetting parse_mergekit_setting(const RecipeReader& read, const YamlValue::Member& member) {
  const YamlValue& value = *member.value;
  if (!is_conditional(value)) return {{{"", parse_points(read, value, member.key)}}};
  MergekitSetting result;
  if (value.kind == YamlValue::Kind::mapping) {
    result.cases.push_back(parse_case(read, value, member.key));
  }
  if (value.items.size() > kMostCases) {
    read.refuse(member.line, fmt::format("{} has more than {} conditions", member.key, kMostCases));
  }
  for (const auto& item : value.items) {
    MergekitSetting::Case parsed = parse_case(read, *item, member.key);
    if (!result.complete()) result.cases.push_back(std::move(parsed));
  }
  return result;
}

MergekitSetting with_fallback(MergekitSetting first, const MergekitSetting& second) {
  if (!first.complete()) {
    first.cases.insert(first.cases.end(), second.cases.begin(), second.cases.end());
  }
  return first;
}

void put_alpha(const std::vector<MergekitAlpha>& alphas, Recipe& recipe) {
  // In our recipes it is the other way round: the last match wins.
  for (const MergekitAlpha& entry : alphas | std::views::reverse) put_rules(entry, recipe);
}

}  // namespace expo
