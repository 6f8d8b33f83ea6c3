#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "expo/search/layout_fit.h"
#include "expo/search/score_table.h"
#include "expo/search/statistics/cholesky.h"

namespace expo {

/// What is believed of some true means: a normal distribution.
struct MeansBelief {
  std::vector<double> mean;
  SquareMatrix covariance{0};

  /// The chance of each to be the best of them.
  std::vector<double> chances_of_best() const;
};

/// Candidates that are not out of the question, within four standard errors of the best one, as a
/// collapse far off says nothing about the shape of the top; and their part of the fit.
struct HopefulFit {
  std::vector<std::size_t> candidates;
  LayoutFit fit;
};

/// The fit of those candidates that have scores, without the hopeless ones.
HopefulFit fit_hopeful(const ScoreTable& table, std::span<const std::size_t> candidates);

/// What is believed of means before any score is seen: a Gaussian process. The priors for all
/// reaches and sizes are averaged by how likely each makes the fit.
struct MeansPrior {
  std::span<const double> reaches;
  std::span<const double> sizes;  ///< of the variation, in deviations of a row's score
  double own = 0;                 ///< its share that neighbours do not have in common
  /// How alike the means at two places are, from 0 to 1, as far as neighbours lend each other
  /// strength.
  std::function<double(std::size_t, std::size_t, double reach)> likeness;
};

/// The belief about the means at `places` places, first those of the fit and then others that
/// nobody has asked for yet. The level of the fit is known to no prior.
MeansBelief condition_on(LayoutFit fit, std::size_t places, const MeansPrior& prior);

}  // namespace expo
