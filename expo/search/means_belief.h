#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "expo/search/layout_fit.h"
#include "expo/search/statistics/cholesky.h"

namespace expo {

/// What is believed of some true means: a normal distribution.
struct MeansBelief {
  std::vector<double> mean;
  SquareMatrix covariance{0};

  /// The chance of each to be the best of them.
  std::vector<double> chances_of_best() const;
};

/// The belief that a fit leads to, averaged over priors by how likely each makes the fit. A prior
/// is the covariance of all means: first those of the fit, then others that nobody has asked for
/// yet. Priors have the mean 0 after the means of the fit are shifted to it.
MeansBelief condition_on(LayoutFit fit, std::span<const SquareMatrix> priors);

/// The places of the candidates that are not out of the question: within four standard errors of
/// the best one.
std::vector<std::size_t> hopeful(const LayoutFit& fit);

/// The fit of some of its candidates.
LayoutFit part_of(const LayoutFit& fit, std::span<const std::size_t> places);

}  // namespace expo
