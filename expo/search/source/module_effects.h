#pragma once

#include <array>

#include "expo/search/source/module_point.h"

namespace expo {

/// What a simulation's truth makes of an α for each kind of module.
///
/// The kinds have a mean on the logarithmic scale, weighted by how much of a model each is: the
/// common α that a point amounts to, which a Truth judges. What the kinds and the slope do beside
/// it is the departure from the uniform line. It adds a Gaussian bump around `best` to the mean
/// score: 0 without a departure, `height` at the best one, and a loss in the wrong direction.
struct ModuleEffects {
  ModulePlace best{0.8, -0.9, 0.2, 0.5};  ///< a departure: its weighted mean is 0
  double height = 0;                      ///< 0: departures have no effect at all
  double width = 1;

  /// What a departure adds to the mean score.
  double gain(const ModulePlace& departure) const;
};

/// A point as a common α and a departure.
struct ModuleSplit {
  double alpha = 0;
  ModulePlace departure{};
  double size() const;  ///< of the departure
};
ModuleSplit split_point(double alpha, const ModulePoint& point);

}  // namespace expo
