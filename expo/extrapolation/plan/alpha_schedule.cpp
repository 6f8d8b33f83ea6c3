#include "expo/extrapolation/plan/alpha_schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <regex>

#include "expo/core/error.h"
#include "expo/core/text.h"

namespace expo {
namespace {

/// The standard library's matcher recurses once for every character, so the name's length is
/// bounded.
constexpr std::size_t kLongestName = 1024;
constexpr std::size_t kLongestExpression = 1000;
constexpr std::size_t kMostLayerDigits = 6;
/// The digits of a number in an expression are bounded, because the standard library parses it
/// without an overflow check.
constexpr int kMostExpressionDigits = 6;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

void check_points(const std::vector<double>& points) {
  if (points.empty()) throw usage_error("a gradient of alpha needs at least one number");
  for (const double point : points) {
    if (!std::isfinite(point)) {
      throw usage_error(fmt::format("alpha is {}, but a finite number is expected", point));
    }
  }
}

bool has_long_number(const std::string& text) {
  int digits = 0;
  return std::ranges::any_of(text, [&digits](char c) {
    digits = is_digit(c) ? digits + 1 : 0;
    return digits > kMostExpressionDigits;
  });
}

std::regex compile(const std::string& text) {
  if (text.size() > kLongestExpression || has_long_number(text)) {
    throw usage_error(
        fmt::format("the expression \"{}\" is too long: at most {} characters and numbers of at "
                    "most {} digits are supported",
                    cut_to(text, 40), kLongestExpression, kMostExpressionDigits));
  }
  try {
    return std::regex(text, std::regex::ECMAScript);
  } catch (const std::regex_error& error) {
    throw usage_error(
        fmt::format("\"{}\" is not a valid regular expression ({})", text, error.what()));
  }
}

/// The value at `position` in [0, 1] of the line through evenly spread points.
double interpolate(const std::vector<double>& points, double position) {
  const double scaled = position * static_cast<double>(points.size() - 1);
  const std::size_t left = std::min(static_cast<std::size_t>(scaled), points.size() - 1);
  const std::size_t right = std::min(left + 1, points.size() - 1);
  const double fraction = scaled - static_cast<double>(left);
  return (1 - fraction) * points[left] + fraction * points[right];
}

bool is_before_layers(std::string_view tensor) {
  constexpr std::array<std::string_view, 3> kSigns{"embed", "wte", "wpe"};
  return std::ranges::any_of(kSigns, [&](std::string_view s) { return tensor.find(s) != s.npos; });
}

}  // namespace

struct AlphaSchedule::Rule {
  std::string text;
  std::regex expression;
  Values values;

  bool matches(std::string_view tensor) const {
    if (tensor.size() > kLongestName) {
      throw input_error(
          fmt::format("the tensor name \"{}…\" has {} bytes; rules are matched against at most {}",
                      tensor.substr(0, 60), tensor.size(), kLongestName));
    }
    return std::regex_search(tensor.begin(), tensor.end(), expression);
  }
};

double AlphaSchedule::value_for(const Values& values, std::string_view tensor, unsigned layers) {
  const auto& points = values.points;
  if (points.size() == 1) return points.front();
  const auto layer = layer_of(tensor);
  if (!layer && values.outside_layers) return *values.outside_layers;
  if (!layer) return is_before_layers(tensor) ? points.front() : points.back();
  if (layers <= 1 || *layer + 1 >= layers) return points.back();
  return interpolate(points, static_cast<double>(*layer) / static_cast<double>(layers - 1));
}

std::string AlphaSchedule::describe(const Values& values) {
  const auto& points = values.points;
  if (points.size() == 1) return fmt::format("{}", points.front());
  std::string text = fmt::format("[{}] over the depth", fmt::join(points, ", "));
  if (values.outside_layers) text += fmt::format(" and {} outside it", *values.outside_layers);
  return text;
}

AlphaSchedule::AlphaSchedule(double alpha) : values_{{alpha}, {}} {
  check_points(values_.points);
}

AlphaSchedule AlphaSchedule::gradient(std::vector<double> points,
                                      std::optional<double> outside_layers) {
  check_points(points);
  if (outside_layers) check_points({*outside_layers});
  AlphaSchedule result;
  result.values_ = {std::move(points), outside_layers};
  return result;
}

void AlphaSchedule::add_rule(const std::string& regex, double alpha) {
  add_rule(regex, std::vector<double>{alpha});
}

void AlphaSchedule::add_rule(const std::string& regex, std::vector<double> gradient_points,
                             std::optional<double> outside_layers) {
  check_points(gradient_points);
  if (outside_layers) check_points({*outside_layers});
  rules_.push_back(std::make_shared<const Rule>(
      Rule{regex, compile(regex), {std::move(gradient_points), outside_layers}}));
}

double AlphaSchedule::alpha_for(std::string_view tensor, unsigned layers) const {
  for (auto rule = rules_.rbegin(); rule != rules_.rend(); ++rule) {
    if ((*rule)->matches(tensor)) return value_for((*rule)->values, tensor, layers);
  }
  return value_for(values_, tensor, layers);
}

std::optional<double> AlphaSchedule::uniform() const {
  if (values_.points.size() != 1 || !rules_.empty()) return std::nullopt;
  return values_.points.front();
}

std::string AlphaSchedule::description() const {
  std::string result = describe(values_);
  for (const auto& rule : rules_) {
    result += fmt::format(", then {}={}", rule->text, describe(rule->values));
  }
  return result;
}

std::vector<std::string> AlphaSchedule::unmatched_rules(
    const std::vector<std::string>& tensors) const {
  std::vector<std::string> result;
  for (const auto& rule : rules_) {
    const bool matched = std::ranges::any_of(
        tensors, [&](const std::string& tensor) { return rule->matches(tensor); });
    if (!matched) result.push_back(rule->text);
  }
  return result;
}

std::optional<unsigned> layer_of(std::string_view tensor) {
  for (std::size_t dot = tensor.find('.'); dot != tensor.npos; dot = tensor.find('.', dot + 1)) {
    std::size_t end = dot + 1;
    unsigned number = 0;
    while (end < tensor.size() && end - dot <= kMostLayerDigits && is_digit(tensor[end])) {
      number = number * 10 + static_cast<unsigned>(tensor[end++] - '0');
    }
    if (end > dot + 1 && end < tensor.size() && tensor[end] == '.') return number;
  }
  return std::nullopt;
}

double alpha_from_gamma(double gamma) {
  const double alpha = 1 / gamma - 1;
  if (!std::isfinite(gamma) || !std::isfinite(alpha)) {
    throw usage_error(fmt::format(
        "gamma is {}, but a finite number other than 0 is expected (alpha = 1/gamma - 1)", gamma));
  }
  return alpha;
}

}  // namespace expo
