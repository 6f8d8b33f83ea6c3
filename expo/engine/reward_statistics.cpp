#include "expo/engine/reward_statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace expo {
namespace {

constexpr double kZ = 1.959963984540054;  // 95 % of a normal distribution lie within ±kZ

}  // namespace

MeanOfRewards mean_of(std::span<const double> values) {
  const auto n = static_cast<double>(values.size());
  MeanOfRewards result;
  result.mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  if (values.size() < 2) return result;
  double squares = 0;
  for (const double value : values) squares += (value - result.mean) * (value - result.mean);
  result.standard_error = std::sqrt(squares / (n - 1) / n);
  return result;
}

std::pair<double, double> wilson_interval(std::uint64_t successes, std::uint64_t trials) {
  const auto n = static_cast<double>(trials);
  const double p = static_cast<double>(successes) / n;
  const double scale = 1 + kZ * kZ / n;
  const double centre = (p + kZ * kZ / (2 * n)) / scale;
  const double half = kZ * std::sqrt(p * (1 - p) / n + kZ * kZ / (4 * n * n)) / scale;
  return {std::max(0.0, centre - half), std::min(1.0, centre + half)};
}

PairScores score_pairs(std::span<const std::pair<double, double>> pairs) {
  PairScores result;
  std::vector<double> margins;
  for (const auto& [chosen, rejected] : pairs) {
    margins.push_back(chosen - rejected);
    result.wins += chosen > rejected ? 1 : 0;
    result.ties += chosen == rejected ? 1 : 0;
  }
  result.accuracy = static_cast<double>(result.wins) / static_cast<double>(pairs.size());
  result.accuracy_interval = wilson_interval(result.wins, pairs.size());
  result.margin = mean_of(margins);
  const double half = kZ * result.margin.standard_error.value_or(0);
  result.margin_interval = {result.margin.mean - half, result.margin.mean + half};
  return result;
}

}  // namespace expo
