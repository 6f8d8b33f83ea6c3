#include "expo/evaluation/bootstrap.h"

#include <algorithm>
#include <cmath>

#include "expo/core/philox.h"

namespace expo {
namespace {

double quantile(const std::vector<double>& sorted, double p) {
  const double place = p * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(std::floor(place));
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  const double share = place - static_cast<double>(below);
  return sorted[below] + share * (sorted[above] - sorted[below]);
}

}  // namespace

std::vector<double> resample_counts(std::uint64_t seed, std::size_t number, std::size_t n) {
  const RandomStream random(seed, number);
  std::vector<double> counts(n, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    const auto drawn = static_cast<std::size_t>(random.unit_interval(i) * static_cast<double>(n));
    ++counts[std::min(drawn, n - 1)];
  }
  return counts;
}

std::pair<double, double> percentile_interval(std::vector<double> values, double confidence) {
  std::ranges::sort(values);
  const double tail = (1 - confidence) / 2;
  return {quantile(values, tail), quantile(values, 1 - tail)};
}

}  // namespace expo
