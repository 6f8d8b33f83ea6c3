#pragma once

#include <span>
#include <vector>

#include "expo/search/score_table.h"
#include "expo/search/statistics/cholesky.h"

namespace expo {

/// Generalised least squares of an incomplete two-way layout: score = prompt + candidate + rest.
struct LayoutFit {
  std::vector<double> means;   ///< of the candidates, up to a common shift that the prompts bear
  SquareMatrix covariance{0};  ///< of these estimates
  double deviation = 0;        ///< of a prompt's score
};

/// Fits candidates that have at least one prompt each; prompts are counted from the first on. The
/// variances of prompts and rests are common to all candidates and estimated from the residuals.
LayoutFit fit_layout(const ScoreTable& table, std::span<const std::size_t> candidates);

}  // namespace expo
