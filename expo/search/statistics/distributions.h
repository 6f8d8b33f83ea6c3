#pragma once

#include <cstddef>

namespace expo {

/// P(Z ≤ z) for a standard normal Z.
double normal_cdf(double z);

/// The z with P(Z ≤ z) = p, for 0 < p < 1, to within 1e-12.
double normal_quantile(double p);

/// P(T ≤ t) for Student's t with `freedom` degrees of freedom (any number above 0).
double student_cdf(double t, double freedom);

/// The t with P(T ≤ t) = p, for 0 < p < 1.
double student_quantile(double p, double freedom);

/// The largest chance of a success with which at most this many of the trials succeed with a
/// probability of `error`: the upper bound of Clopper & Pearson 1934, one-sided. The lower one is 1
/// − binomial_upper(trials − successes, trials, error).
double binomial_upper(std::size_t successes, std::size_t trials, double error);

/// P(X ≥ successes) for X ~ Binomial(trials, 1/2): the p-value of the exact one-sided sign test.
double sign_test(std::size_t successes, std::size_t trials);

}  // namespace expo
