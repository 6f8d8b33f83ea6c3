#include "expo/search/alpha_model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <numbers>

#include "expo/search/layout_fit.h"
#include "expo/search/source/alpha_place.h"

namespace expo {
namespace {

constexpr std::array kReaches{0.35, 0.7, 1.4, 2.8};      // on the scale of log_place
constexpr std::array kSizes{0.03, 0.08, 0.2, 0.5, 1.2};  // in deviations of a row's score
constexpr double kOwn = 0.05;  // share of the variation that neighbours do not have in common
constexpr double kLevel = 2;   // deviations of the common level

double matern(double distance, double reach) {
  const double scaled = std::numbers::sqrt3 * distance / reach;
  return (1 + scaled) * std::exp(-scaled);
}

/// The prior covariance of means at some α.
SquareMatrix prior(std::span<const Belief::Point> points, double reach, double size, double level) {
  SquareMatrix result(points.size());
  for (std::size_t i = 0; i < points.size(); ++i) {
    for (std::size_t j = 0; j < points.size(); ++j) {
      const double distance = std::abs(log_place(points[i].alpha) - log_place(points[j].alpha));
      const bool are_akin = points[i].family == points[j].family;
      const double alike = are_akin ? (1 - kOwn) * matern(distance, reach) : 0;
      result(i, j) = size * size * (alike + (i == j ? kOwn : 0)) + level * level;
    }
  }
  return result;
}

}  // namespace

Belief believe(const ScoreTable& table, std::span<const std::size_t> candidates,
               std::span<const Belief::Point> proposals) {
  std::vector<std::size_t> known;
  std::copy_if(candidates.begin(), candidates.end(), std::back_inserter(known),
               [&](std::size_t candidate) { return !table.of(candidate).empty(); });
  const LayoutFit whole = fit_layout(table, known);
  const std::vector<std::size_t> places = hopeful(whole);
  const LayoutFit fit = part_of(whole, places);
  Belief belief;
  for (const std::size_t place : places) {
    belief.candidates.push_back(known[place]);
    const Candidate& candidate = table.candidates()[known[place]];
    belief.points.push_back({candidate.alpha, candidate.family});
  }
  belief.points.insert(belief.points.end(), proposals.begin(), proposals.end());
  const double unit = fit.deviation;
  std::vector<SquareMatrix> priors;
  for (const double reach : kReaches) {
    for (const double size : kSizes) {
      priors.push_back(prior(belief.points, reach, size * unit, kLevel * unit));
    }
  }
  static_cast<MeansBelief&>(belief) = condition_on(fit, priors);
  return belief;
}

}  // namespace expo
