#include "expo/search/alpha_model.h"

#include <array>
#include <cmath>
#include <numbers>

#include "expo/search/source/alpha_place.h"

namespace expo {
namespace {

constexpr std::array kReaches{0.35, 0.7, 1.4, 2.8};      // on the scale of log_place
constexpr std::array kSizes{0.03, 0.08, 0.2, 0.5, 1.2};  // in deviations of a row's score
constexpr double kOwn = 0.05;  // share of the variation that neighbours do not have in common

double matern(double distance, double reach) {
  const double scaled = std::numbers::sqrt3 * distance / reach;
  return (1 + scaled) * std::exp(-scaled);
}

/// How alike the means at two α are: those of different families are not.
double likeness(const Belief::Point& left, const Belief::Point& right, double reach) {
  if (left.family != right.family) return 0;
  return matern(std::abs(log_place(left.alpha) - log_place(right.alpha)), reach);
}

}  // namespace

Belief believe(const ScoreTable& table, std::span<const std::size_t> candidates,
               std::span<const Belief::Point> proposals) {
  const HopefulFit hopeful = fit_hopeful(table, candidates);
  Belief belief;
  belief.candidates = hopeful.candidates;
  for (const std::size_t each : hopeful.candidates) {
    const Candidate& candidate = table.candidates()[each];
    belief.points.push_back({candidate.alpha, candidate.family});
  }
  belief.points.insert(belief.points.end(), proposals.begin(), proposals.end());
  const MeansPrior prior{kReaches, kSizes, kOwn, [&](std::size_t i, std::size_t j, double reach) {
                           return likeness(belief.points[i], belief.points[j], reach);
                         }};
  static_cast<MeansBelief&>(belief) = condition_on(hopeful.fit, belief.points.size(), prior);
  return belief;
}

}  // namespace expo
