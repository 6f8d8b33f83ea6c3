#include "expo/search/guards.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/search/statistics/summary.h"

namespace expo {
namespace {

[[noreturn]] void refuse(std::string_view text, std::string_view found) {
  throw usage_error(
      fmt::format("--guard '{}': {}; expected length or truncated, <=, and a limit, as in "
                  "'truncated<=0.05' (at most so much more than at α = 0) or 'length<=1.5x' (at "
                  "most so many times that of α = 0)",
                  on_one_line(text), found));
}

double PromptScore::*measure_named(std::string_view name, std::string_view text) {
  if (name == "length") return &PromptScore::length;
  if (name == "truncated") return &PromptScore::truncated;
  refuse(text, fmt::format("the measure '{}' is not known", on_one_line(name)));
}

double limit_of(std::string_view number, std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error != std::errc{} || end != number.data() + number.size() || !std::isfinite(value) ||
      value < 0) {
    refuse(text, fmt::format("'{}' is not a limit", on_one_line(number)));
  }
  return value;
}

/// By how much each prompt exceeds the limit.
std::vector<double> excesses(const Guard& guard, std::span<const PromptScore> scores,
                             std::span<const PromptScore> baseline) {
  const double factor = guard.is_ratio ? guard.most : 1;
  const double allowed = guard.is_ratio ? 0 : guard.most;
  std::vector<double> result;
  for (std::size_t i = 0; i < std::min(scores.size(), baseline.size()); ++i) {
    result.push_back(scores[i].*guard.measure - factor * baseline[i].*guard.measure - allowed);
  }
  return result;
}

bool exceeds_by(const Guard& guard, std::span<const PromptScore> scores,
                std::span<const PromptScore> baseline, double standard_errors) {
  const std::vector<double> values = excesses(guard, scores, baseline);
  if (values.empty()) return false;
  const Summary excess = summarize(values);
  return excess.mean > standard_errors * excess.standard_error + 1e-12;
}

}  // namespace

Guard parse_guard(std::string_view text) {
  const std::size_t sign = text.find("<=");
  if (sign == std::string_view::npos) refuse(text, "there is no <= in it");
  std::string_view number = text.substr(sign + 2);
  Guard guard;
  guard.text = text;
  guard.measure = measure_named(text.substr(0, sign), text);
  guard.is_ratio = number.ends_with('x');
  if (guard.is_ratio) number.remove_suffix(1);
  guard.most = limit_of(number, text);
  return guard;
}

bool violates(const Guard& guard, std::span<const PromptScore> scores,
              std::span<const PromptScore> baseline) {
  return exceeds_by(guard, scores, baseline, 0);
}

bool clearly_violates(const Guard& guard, std::span<const PromptScore> scores,
                      std::span<const PromptScore> baseline) {
  constexpr std::size_t kFewest = 8;  // standard errors of fewer mean little
  return std::min(scores.size(), baseline.size()) >= kFewest &&
         exceeds_by(guard, scores, baseline, 2);
}

}  // namespace expo
