#include "expo/search/means_belief.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

#include "expo/core/philox.h"

namespace expo {
namespace {

constexpr double kHopeless = 4;  // standard errors
constexpr double kLevel = 2;     // deviations of the common level

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
MeansBelief mix(std::vector<Conditioned>& parts, std::size_t n) {
  MeansBelief belief;
  double best = -INFINITY;
  for (const Conditioned& part : parts) best = std::max(best, part.log_evidence);
  double total = 0;
  for (Conditioned& part : parts) total += part.log_evidence = std::exp(part.log_evidence - best);
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
  return belief;
}

/// Shifts the means so that they have the mean 0, and returns the shift.
double centre(std::vector<double>& means) {
  const double level =
      std::accumulate(means.begin(), means.end(), 0.0) / static_cast<double>(means.size());
  for (double& mean : means) mean -= level;
  return level;
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

/// The places of the candidates that are not out of the question.
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

/// The covariance of all means before any score is seen, for a row's deviation of `unit`.
SquareMatrix prior_covariance(std::size_t places, const MeansPrior& prior, double reach,
                              double size, double unit) {
  const double level = kLevel * unit;
  const double deviation = size * unit;
  SquareMatrix result(places);
  for (std::size_t i = 0; i < places; ++i) {
    for (std::size_t j = 0; j < places; ++j) {
      const double alike = (1 - prior.own) * prior.likeness(i, j, reach);
      result(i, j) = deviation * deviation * (alike + (i == j ? prior.own : 0)) + level * level;
    }
  }
  return result;
}

}  // namespace

HopefulFit fit_hopeful(const ScoreTable& table, std::span<const std::size_t> candidates) {
  std::vector<std::size_t> known;
  std::copy_if(candidates.begin(), candidates.end(), std::back_inserter(known),
               [&](std::size_t candidate) { return !table.of(candidate).empty(); });
  const LayoutFit whole = fit_layout(table, known);
  const std::vector<std::size_t> places = hopeful(whole);
  HopefulFit result;
  result.fit = part_of(whole, places);
  for (const std::size_t place : places) result.candidates.push_back(known[place]);
  return result;
}

MeansBelief condition_on(LayoutFit fit, std::size_t places, const MeansPrior& prior) {
  const double level = centre(fit.means);
  std::vector<Conditioned> parts;
  for (const double reach : prior.reaches) {
    for (const double size : prior.sizes) {
      parts.push_back(condition(prior_covariance(places, prior, reach, size, fit.deviation), fit));
    }
  }
  MeansBelief belief = mix(parts, places);
  for (double& mean : belief.mean) mean += level;
  return belief;
}

std::vector<double> MeansBelief::chances_of_best() const {
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
