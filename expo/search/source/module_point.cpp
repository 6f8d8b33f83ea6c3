#include "expo/search/source/module_point.h"

#include <fmt/format.h>

#include <cmath>

namespace expo {
namespace {

double rounded(double value) {
  constexpr double kDecimals = 1000;
  return std::round(value * kDecimals) / kDecimals;
}

}  // namespace

ModulePlace place_of(const ModulePoint& point) {
  return {std::log2(point.attention), std::log2(point.mlp), std::log2(point.rest), point.slope};
}

ModulePoint point_at(const ModulePlace& place) {
  return {rounded(std::exp2(place[0])), rounded(std::exp2(place[1])), rounded(std::exp2(place[2])),
          rounded(place[3])};
}

double squared_distance(const ModulePlace& a, const ModulePlace& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

std::string label_of(double alpha, const ModulePoint& point) {
  return fmt::format("α = {} · (attention {}, MLP {}, rest {}, slope {})", alpha, point.attention,
                     point.mlp, point.rest, point.slope);
}

}  // namespace expo
