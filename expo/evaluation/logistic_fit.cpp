#include "expo/evaluation/logistic_fit.h"

#include <algorithm>
#include <cmath>

namespace expo {
namespace {

using Features = LogisticProblem::Features;
constexpr std::size_t kFeatures = LogisticProblem::kFeatures;
using Matrix = std::array<Features, kFeatures>;

double penalty(const Features& beta) {
  return std::abs(beta[0]) + std::abs(beta[1]) + std::abs(beta[2]);
}

/// log(1 + e^z), for any z.
double softplus(double z) {
  return std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z)));
}

double objective(const LogisticProblem& problem, double c, const Features& beta) {
  double loss = -dot(problem.label_sums, beta);
  for (std::size_t i = 0; i < problem.rows.size(); ++i)
    loss += problem.weights[i] * softplus(dot(problem.rows[i], beta));
  return c * loss + penalty(beta);
}

/// The smooth part of the objective near a point: its gradient and its second derivatives.
struct Curve {
  Features slope{};
  Matrix curvature{};
};

Curve curve_at(const LogisticProblem& problem, double c, const Features& beta) {
  Curve curve;
  for (std::size_t j = 0; j < kFeatures; ++j) curve.slope[j] = -c * problem.label_sums[j];
  for (std::size_t i = 0; i < problem.rows.size(); ++i) {
    const Features& x = problem.rows[i];
    const double chance = sigmoid(dot(x, beta));
    const double weight = c * problem.weights[i];
    for (std::size_t j = 0; j < kFeatures; ++j) {
      curve.slope[j] += weight * chance * x[j];
      for (std::size_t k = 0; k < kFeatures; ++k)
        curve.curvature[j][k] += weight * chance * (1 - chance) * x[j] * x[k];
    }
  }
  // Where all chances are 0 or 1, or features are collinear, the curve has a flat direction.
  const double largest =
      std::max({curve.curvature[0][0], curve.curvature[1][1], curve.curvature[2][2]});
  for (std::size_t j = 0; j < kFeatures; ++j)
    if (curve.curvature[j][j] > 0) curve.curvature[j][j] += 1e-13 * largest;
  return curve;
}

double shrink(double value, double by) {
  return std::copysign(std::max(std::abs(value) - by, 0.0), value);
}

/// The minimum of the quadratic approximation with the penalty, by descent along the coordinates.
Features minimum(const Curve& curve, const Features& beta) {
  constexpr int kMostSweeps = 2000;
  Features found = beta;
  for (int sweep = 0; sweep < kMostSweeps; ++sweep) {
    double moved = 0;
    for (std::size_t j = 0; j < kFeatures; ++j) {
      const double bend = curve.curvature[j][j];
      if (bend <= 0) continue;
      double slope = curve.slope[j];
      for (std::size_t k = 0; k < kFeatures; ++k)
        slope += curve.curvature[j][k] * (found[k] - beta[k]);
      const double next = shrink(found[j] - slope / bend, 1 / bend);
      moved = std::max(moved, std::abs(next - found[j]));
      found[j] = next;
    }
    if (moved <= 1e-15) break;
  }
  return found;
}

Features between(const Features& from, const Features& to, double share) {
  Features point{};
  for (std::size_t j = 0; j < kFeatures; ++j) point[j] = from[j] + share * (to[j] - from[j]);
  return point;
}

double distance(const Features& a, const Features& b) {
  double largest = 0;
  for (std::size_t j = 0; j < kFeatures; ++j) largest = std::max(largest, std::abs(a[j] - b[j]));
  return largest;
}

/// The start, with 0 for every feature that no row has: the loss says nothing of its coefficient,
/// but the penalty does.
Features without_absent(const LogisticProblem& problem, Features start) {
  for (std::size_t j = 0; j < kFeatures; ++j) {
    bool is_absent = true;
    for (std::size_t i = 0; i < problem.rows.size() && is_absent; ++i)
      is_absent = problem.weights[i] * problem.rows[i][j] == 0;
    if (is_absent) start[j] = 0;
  }
  return start;
}

/// Goes towards the target as far as the objective falls enough (Armijo's rule), and updates its
/// value. Returns `from` if it falls nowhere, which only rounding can cause.
Features advance(const LogisticProblem& problem, double c, const Features& from, double& value,
                 const Features& target, const Features& slope) {
  constexpr double kRounding = 1e-13;  // the objective is a sum, and is not known better than this
  constexpr double kEnough = 1e-4;
  const double promised = dot(slope, target) - dot(slope, from) + penalty(target) - penalty(from);
  for (double share = 1; share > 1e-9; share /= 2) {
    const Features next = share < 1 ? between(from, target, share) : target;
    const double reached = objective(problem, c, next);
    if (reached > value + kEnough * share * promised + kRounding * std::abs(value)) continue;
    value = reached;
    return next;
  }
  return from;
}

}  // namespace

void LogisticProblem::add(const Features& features, double weight) {
  rows.push_back(features);
  weights.push_back(weight);
}

void LogisticProblem::add(const Features& features, double weight, double label) {
  add(features, weight);
  for (std::size_t j = 0; j < kFeatures; ++j) label_sums[j] += weight * label * features[j];
}

double dot(const Features& a, const Features& b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

double sigmoid(double z) {
  const double small = std::exp(-std::abs(z));
  return z >= 0 ? 1 / (1 + small) : small / (1 + small);
}

Features fit_logistic(const LogisticProblem& problem, double c, const Features& start) {
  constexpr int kMostSteps = 100;
  constexpr double kSmallest = 1e-13;  // a step so small is the rounding of the sums
  Features beta = without_absent(problem, start);
  double value = objective(problem, c, beta);
  for (int step = 0; step < kMostSteps; ++step) {
    const Curve curve = curve_at(problem, c, beta);
    const Features next = advance(problem, c, beta, value, minimum(curve, beta), curve.slope);
    const double moved = distance(beta, next);
    beta = next;
    if (moved <= kSmallest) break;
  }
  return beta;
}

}  // namespace expo
