#include "expo/search/proposals.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "expo/search/source/alpha_place.h"

namespace expo {
namespace {

/// An α that people can read and write: two significant digits.
double readable(double alpha) {
  char text[32];
  const auto end =
      std::to_chars(text, text + sizeof text, alpha, std::chars_format::scientific, 1).ptr;
  double value = 0;
  std::from_chars(text, end, value);
  return value;
}

}  // namespace

std::vector<double> between_neighbours(std::span<const double> alphas, double leader) {
  constexpr double kClosest = 0.6;
  std::vector<double> sorted(alphas.begin(), alphas.end());
  std::sort(sorted.begin(), sorted.end());
  const auto at = std::find(sorted.begin(), sorted.end(), leader);
  std::vector<double> result;
  const auto add = [&](double neighbour) {
    const double start = log_place(leader);
    const double end = log_place(neighbour);
    if (std::abs(end - start) < kClosest) return;
    const double middle = readable(alpha_at((start + end) / 2));
    if (std::find(sorted.begin(), sorted.end(), middle) == sorted.end()) result.push_back(middle);
  };
  if (at == sorted.end()) return result;
  if (at != sorted.begin()) add(*(at - 1));
  if (at + 1 != sorted.end()) add(*(at + 1));
  return result;
}

double beyond(std::span<const double> alphas) {
  std::vector<double> sorted(alphas.begin(), alphas.end());
  std::sort(sorted.begin(), sorted.end());
  const double last = sorted.back();
  if (sorted.size() < 2) return 2 * last;
  const double step = log_place(last) - log_place(sorted[sorted.size() - 2]);
  return readable(std::max(2 * last, alpha_at(log_place(last) + step)));
}

}  // namespace expo
