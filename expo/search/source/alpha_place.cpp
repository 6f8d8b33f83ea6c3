#include "expo/search/source/alpha_place.h"

#include <cmath>

namespace expo {
namespace {

constexpr double kLinearBelow = 0.05;

}  // namespace

double log_place(double alpha) {
  return std::copysign(std::log1p(std::abs(alpha) / kLinearBelow), alpha);
}

double alpha_at(double place) {
  return std::copysign(std::expm1(std::abs(place)) * kLinearBelow, place);
}

}  // namespace expo
