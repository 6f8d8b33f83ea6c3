#pragma once

#include <array>
#include <cstddef>
#include <vector>

namespace expo {

/// Rows with soft labels for a logistic model of three coefficients, without a further intercept.
struct LogisticProblem {
  static constexpr std::size_t kFeatures = 3;
  using Features = std::array<double, kFeatures>;

  std::vector<Features> rows;
  std::vector<double> weights;  ///< one for each row, at least 0
  /// Σ weight · label · features, with labels in [0, 1]: all that the loss needs of the labels.
  Features label_sums{};

  void add(const Features& features, double weight);                ///< label_sums stays
  void add(const Features& features, double weight, double label);  ///< with label_sums
};

double dot(const LogisticProblem::Features& a, const LogisticProblem::Features& b);

/// 1 / (1 + e⁻ᶻ), for any z.
double sigmoid(double z);

/// The coefficients β that minimise C · (Σ weight · log(1 + e^xβ) − label_sums · β) + |β|₁: the
/// logistic regression with L1 penalty as liblinear defines it, where a soft label y stands for two
/// rows of weights y and 1 − y. Solved by Newton's method on the smooth part, with the penalty kept
/// as it is (Lee, Sun & Saunders 2014, "Proximal Newton-type methods"), to the precision of
/// doubles. A feature that is 0 in all rows (of a weight above 0) gets the coefficient 0. `start`
/// only saves time.
LogisticProblem::Features fit_logistic(const LogisticProblem& problem, double c,
                                       const LogisticProblem::Features& start = {});

}  // namespace expo
