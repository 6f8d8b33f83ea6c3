#include "expo/search/alpha_model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <numbers>
#include <numeric>

#include "expo/core/philox.h"
#include "expo/search/layout_fit.h"
#include "expo/search/source/alpha_place.h"

namespace expo {
namespace {

constexpr std::array kReaches{0.35, 0.7, 1.4, 2.8};      // on the scale of log_place
constexpr std::array kSizes{0.03, 0.08, 0.2, 0.5, 1.2};  // in deviations of a row's score
constexpr double kOwn = 0.05;    // share of the variation that neighbours do not have in common
constexpr double kLevel = 2;     // deviations of the common level
constexpr double kHopeless = 4;  // standard errors

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

/// What one setting of reach and size makes of the fit.
struct Conditioned {
  double log_evidence = 0;
  std::vector<double> mean;
  SquareMatrix covariance{0};
};

Conditioned condition(const SquareMatrix& prior, const LayoutFit& fit) {
  const std::size_t known = fit.means.size();
  const std::size_t all = prior.size();
  SquareMatrix seen = fit.covariance;
  for (std::size_t i = 0; i < known; ++i) {
    for (std::size_t j = 0; j < known; ++j) seen(i, j) += prior(i, j);
  }
  Conditioned result;
  const auto factor = Cholesky::of(seen);
  if (!factor) {
    result.log_evidence = -INFINITY;
    return result;
  }
  const std::vector<double> whitened = factor->solve_lower(fit.means);
  std::vector<std::vector<double>> cross;  // L⁻¹ · prior of the known with each
  for (std::size_t i = 0; i < all; ++i) {
    std::vector<double> column(known);
    for (std::size_t k = 0; k < known; ++k) column[k] = prior(k, i);
    cross.push_back(factor->solve_lower(column));
  }
  const auto dot = [](const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (std::size_t k = 0; k < a.size(); ++k) sum += a[k] * b[k];
    return sum;
  };
  result.covariance = prior;
  for (std::size_t i = 0; i < all; ++i) {
    result.mean.push_back(dot(cross[i], whitened));
    for (std::size_t j = 0; j < all; ++j) result.covariance(i, j) -= dot(cross[i], cross[j]);
  }
  result.log_evidence = -(dot(whitened, whitened) + factor->log_determinant()) / 2;
  return result;
}

/// The mean and covariance of a mixture.
void mix(std::vector<Conditioned>& parts, Belief& belief) {
  double best = -INFINITY;
  for (const Conditioned& part : parts) best = std::max(best, part.log_evidence);
  double total = 0;
  for (Conditioned& part : parts) total += part.log_evidence = std::exp(part.log_evidence - best);
  const std::size_t n = belief.points.size();
  belief.mean.assign(n, 0);
  belief.covariance = SquareMatrix(n);
  for (const Conditioned& part : parts) {
    if (part.mean.empty()) continue;
    const double weight = part.log_evidence / total;
    for (std::size_t i = 0; i < n; ++i) belief.mean[i] += weight * part.mean[i];
  }
  for (const Conditioned& part : parts) {
    if (part.mean.empty()) continue;
    const double weight = part.log_evidence / total;
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        belief.covariance(i, j) +=
            weight * (part.covariance(i, j) +
                      (part.mean[i] - belief.mean[i]) * (part.mean[j] - belief.mean[j]));
      }
    }
  }
}

/// The fit of some of its candidates.
LayoutFit part_of(const LayoutFit& fit, std::span<const std::size_t> places) {
  LayoutFit part;
  part.deviation = fit.deviation;
  part.covariance = SquareMatrix(places.size());
  for (std::size_t i = 0; i < places.size(); ++i) {
    part.means.push_back(fit.means[places[i]]);
    for (std::size_t j = 0; j < places.size(); ++j) {
      part.covariance(i, j) = fit.covariance(places[i], places[j]);
    }
  }
  return part;
}

/// The places of the candidates that are not out of the question: within kHopeless standard errors
/// of the best one.
std::vector<std::size_t> hopeful(const LayoutFit& fit) {
  const auto best = static_cast<std::size_t>(std::max_element(fit.means.begin(), fit.means.end()) -
                                             fit.means.begin());
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < fit.means.size(); ++i) {
    const double variance =
        fit.covariance(i, i) + fit.covariance(best, best) - 2 * fit.covariance(i, best);
    const double behind = fit.means[best] - fit.means[i];
    if (i == best || behind < kHopeless * std::sqrt(variance)) places.push_back(i);
  }
  return places;
}

/// Shifts the means so that they have the mean 0, and returns the shift.
double centre(std::vector<double>& means) {
  const double level =
      std::accumulate(means.begin(), means.end(), 0.0) / static_cast<double>(means.size());
  for (double& mean : means) mean -= level;
  return level;
}

}  // namespace

Belief believe(const ScoreTable& table, std::span<const std::size_t> candidates,
               std::span<const Belief::Point> proposals) {
  std::vector<std::size_t> known;
  std::copy_if(candidates.begin(), candidates.end(), std::back_inserter(known),
               [&](std::size_t candidate) { return !table.of(candidate).empty(); });
  const LayoutFit whole = fit_layout(table, known);
  const std::vector<std::size_t> places = hopeful(whole);
  LayoutFit fit = part_of(whole, places);
  Belief belief;
  for (const std::size_t place : places) {
    belief.candidates.push_back(known[place]);
    const Candidate& candidate = table.candidates()[known[place]];
    belief.points.push_back({candidate.alpha, candidate.family});
  }
  belief.points.insert(belief.points.end(), proposals.begin(), proposals.end());
  const double level = centre(fit.means);
  const double unit = fit.deviation;
  std::vector<Conditioned> parts;
  for (const double reach : kReaches) {
    for (const double size : kSizes) {
      parts.push_back(condition(prior(belief.points, reach, size * unit, kLevel * unit), fit));
    }
  }
  mix(parts, belief);
  for (double& mean : belief.mean) mean += level;
  return belief;
}

std::vector<double> Belief::chances_of_best() const {
  constexpr std::size_t kDraws = 512;
  const std::size_t n = mean.size();
  SquareMatrix jittered = covariance;
  for (std::size_t i = 0; i < n; ++i) jittered(i, i) += 1e-9 * covariance(i, i) + 1e-15;
  std::vector<double> chances(n);
  const auto factor = Cholesky::of(jittered);
  for (std::size_t draw = 0; draw < kDraws; ++draw) {
    std::vector<double> deviates(n);
    const RandomStream stream(0, draw);
    for (std::size_t i = 0; i < n; ++i) deviates[i] = stream.normal_pair(i).first;
    std::vector<double> values = factor ? factor->times(deviates) : std::vector<double>(n);
    for (std::size_t i = 0; i < n; ++i) values[i] += mean[i];
    const auto best = std::max_element(values.begin(), values.end()) - values.begin();
    chances[static_cast<std::size_t>(best)] += 1.0 / kDraws;
  }
  return chances;
}

}  // namespace expo
