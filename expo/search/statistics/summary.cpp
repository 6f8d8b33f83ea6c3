#include "expo/search/statistics/summary.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "expo/core/error.h"
#include "expo/search/statistics/distributions.h"

namespace expo {

Summary summarize(std::span<const double> values) {
  if (values.empty()) throw usage_error("summarize: found no value; expected at least one");
  Summary result;
  result.count = values.size();
  const auto n = static_cast<double>(values.size());
  result.mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  if (values.size() < 2) return result;
  double squares = 0;
  double cubes = 0;
  for (const double value : values) {
    const double distance = value - result.mean;
    squares += distance * distance;
    cubes += distance * distance * distance;
  }
  const double variance = squares / n;
  if (variance > 0) result.skewness = cubes / n / (variance * std::sqrt(variance));
  result.deviation = std::sqrt(squares / (n - 1));
  result.standard_error = result.deviation / std::sqrt(n);
  return result;
}

std::size_t needed_prompts(double deviation, double gain) {
  if (!(gain > 0)) throw usage_error("needed_prompts: the gain has to be above 0");
  const double root = (normal_quantile(0.95) + normal_quantile(0.8)) * deviation / gain;
  constexpr double kMost = 1e15;  // beyond any data set, and safely an integer
  return static_cast<std::size_t>(std::clamp(std::ceil(root * root), 2.0, kMost));
}

std::size_t prompts_for_skewness(double skewness) {
  // Samples underestimate the skewness of their population, so a little less than 0.02 / 0.11.
  constexpr double kMost = 0.15;
  if (!(skewness > 0)) return 0;
  return static_cast<std::size_t>(std::ceil(skewness / kMost * (skewness / kMost)));
}

}  // namespace expo
