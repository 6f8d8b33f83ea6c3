#include "expo/search/statistics/distributions.h"

#include <cmath>
#include <numbers>

namespace expo {
namespace {

/// Finds where an increasing function reaches `value`, between bounds that enclose it.
template <typename Function>
double bisect(const Function& function, double value, double low, double high) {
  for (int step = 0; step < 200 && low < high; ++step) {
    const double middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) break;
    (function(middle) < value ? low : high) = middle;
  }
  return low + (high - low) / 2;
}

/// The continued fraction of the incomplete beta function (Numerical Recipes, 3rd edition, §6.4),
/// by Lentz's method.
double beta_fraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300;
  const auto away_from_zero = [](double value) { return std::abs(value) < kTiny ? kTiny : value; };
  double c = 1;
  double d = 1 / away_from_zero(1 - (a + b) * x / (a + 1));
  double result = d;
  for (int m = 1; m <= 10000; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away_from_zero(1 + even * d);
    c = away_from_zero(1 + even / c);
    result *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away_from_zero(1 + odd * d);
    c = away_from_zero(1 + odd / c);
    result *= d * c;
    if (std::abs(d * c - 1) < 1e-16) break;
  }
  return result;
}

/// The regularised incomplete beta function I_x(a, b).
double incomplete_beta(double a, double b, double x) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const double front = std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) +
                                a * std::log(x) + b * std::log1p(-x));
  if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
  return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

}  // namespace

double normal_cdf(double z) {
  return std::erfc(-z / std::numbers::sqrt2) / 2;
}

double normal_quantile(double p) {
  // The upper half mirrors the lower one, where small probabilities keep their digits.
  if (p > 0.5) return -normal_quantile(1 - p);
  return bisect(normal_cdf, p, -40, 0);
}

double student_cdf(double t, double freedom) {
  if (t * t < freedom) {
    // Near the middle the tail below would lose the digits of t.
    const double half = incomplete_beta(0.5, freedom / 2, t * t / (freedom + t * t)) / 2;
    return t > 0 ? 0.5 + half : 0.5 - half;
  }
  const double tail = incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t)) / 2;
  return t > 0 ? 1 - tail : tail;
}

double student_quantile(double p, double freedom) {
  if (p > 0.5) return -student_quantile(1 - p, freedom);
  const auto cdf = [&](double t) { return student_cdf(t, freedom); };
  double low = -2;
  while (cdf(low) > p) low *= 2;
  return bisect(cdf, p, low, 0);
}

double binomial_upper(std::size_t successes, std::size_t trials, double error) {
  if (successes >= trials) return 1;
  const auto above = [&](double chance) {  // P(X > successes)
    return incomplete_beta(static_cast<double>(successes) + 1,
                           static_cast<double>(trials - successes), chance);
  };
  return bisect(above, 1 - error, 0, 1);
}

double sign_test(std::size_t successes, std::size_t trials) {
  if (successes == 0) return 1;
  // I_{1/2}(k, n − k + 1) is the upper tail of the binomial distribution.
  if (successes > trials) return 0;
  return incomplete_beta(static_cast<double>(successes),
                         static_cast<double>(trials - successes) + 1, 0.5);
}

}  // namespace expo
