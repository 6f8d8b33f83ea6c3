#include "expo/search/source/module_effects.h"

#include <cmath>

namespace expo {
namespace {

constexpr std::array kWeights{0.4, 0.4, 0.2};  // attention, MLP, rest

}  // namespace

double ModuleEffects::gain(const ModulePlace& departure) const {
  const auto bump = [&](const ModulePlace& place) {
    return std::exp(-squared_distance(place, best) / (2 * width * width));
  };
  const double level = bump({});
  return height * (bump(departure) - level) / (1 - level);
}

double ModuleSplit::size() const {
  return std::sqrt(squared_distance(departure, {}));
}

ModuleSplit split_point(double alpha, const ModulePoint& point) {
  ModulePlace place = place_of(point);
  double common = 0;
  for (std::size_t i = 0; i < kWeights.size(); ++i) common += kWeights[i] * place[i];
  for (std::size_t i = 0; i < kWeights.size(); ++i) place[i] -= common;
  return {alpha * std::exp2(common), place};
}

}  // namespace expo
