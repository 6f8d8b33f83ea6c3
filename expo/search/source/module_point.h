#pragma once

#include <array>
#include <string>

namespace expo {

/// An α for each kind of module, relative to one α for all: a tensor's effective α is
///
///   α · multiplier of its kind · (1 + slope · (depth − 1/2)),
///
/// where depth goes evenly from 0 in the first layer to 1 in the last; it is 0 before the layers
/// (embedding) and 1 after them (final norm, head). The neutral point changes nothing. Multipliers
/// are positive and the slope lies between −2 and 2, exclusively, so that no sign changes.
struct ModulePoint {
  double attention = 1;  ///< projections of attention
  double mlp = 1;        ///< projections of the MLP, experts and their router
  double rest = 1;       ///< embedding, norms, head, and all that is neither
  double slope = 0;

  friend bool operator==(const ModulePoint&, const ModulePoint&) = default;
};

/// A place in the space in which points that are close resemble each other: the multipliers'
/// logarithms to the base 2, and the slope.
using ModulePlace = std::array<double, 4>;
ModulePlace place_of(const ModulePoint& point);
/// The inverse, rounded to three decimals, so that a candidate is told and written with few digits.
ModulePoint point_at(const ModulePlace& place);

double squared_distance(const ModulePlace& a, const ModulePlace& b);

/// "α = 4 · (attention 1.414, MLP 0.707, rest 1, slope 0.5)"
std::string label_of(double alpha, const ModulePoint& point);

}  // namespace expo
