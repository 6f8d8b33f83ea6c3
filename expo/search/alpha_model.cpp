#include "expo/search/alpha_model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "expo/core/philox.h"
#include "expo/search/layout_fit.h"
#include "expo/search/source/alpha_place.h"

namespace expo {
namespace {

constexpr std::array kReaches{0.5, 1.0, 2.0, 4.0};
constexpr std::array kSizes{0.03, 0.08, 0.2, 0.5, 1.2};  // in deviations of a prompt's score
constexpr double kOwn = 0.05;  // share of the variation that neighbours do not share

double matern(double distance, double reach) {
  const double scaled = std::numbers::sqrt3 * distance / reach;
  return (1 + scaled) * std::exp(-scaled);
}

/// The prior covariance of means at some α.
SquareMatrix prior(std::span<const double> places, double reach, double size, double level) {
  SquareMatrix result(places.size());
  for (std::size_t i = 0; i < places.size(); ++i) {
    for (std::size_t j = 0; j < places.size(); ++j) {
      const double alike = (1 - kOwn) * matern(std::abs(places[i] - places[j]), reach);
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
  const std::size_t n = belief.alphas.size();
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

double normal(const RandomStream& stream, std::uint64_t index) {
  return std::sqrt(-2 * std::log1p(-stream.unit_interval(2 * index))) *
         std::cos(2 * std::numbers::pi * stream.unit_interval(2 * index + 1));
}

}  // namespace

Belief believe(const ScoreTable& table, std::span<const std::size_t> candidates,
               std::span<const double> proposals) {
  Belief belief;
  for (const std::size_t candidate : candidates) {
    if (table.of(candidate).empty()) continue;
    belief.candidates.push_back(candidate);
    belief.alphas.push_back(table.candidates()[candidate].alpha);
  }
  LayoutFit fit = fit_layout(table, belief.candidates);
  double level = 0;
  for (const double mean : fit.means) level += mean / static_cast<double>(fit.means.size());
  for (double& mean : fit.means) mean -= level;
  belief.alphas.insert(belief.alphas.end(), proposals.begin(), proposals.end());
  std::vector<double> places;
  for (const double alpha : belief.alphas) places.push_back(log_place(alpha));
  std::vector<Conditioned> parts;
  for (const double reach : kReaches) {
    for (const double size : kSizes) {
      parts.push_back(
          condition(prior(places, reach, size * fit.deviation, 2 * fit.deviation), fit));
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
    for (std::size_t i = 0; i < n; ++i) deviates[i] = normal(stream, i);
    std::vector<double> values = factor ? factor->times(deviates) : std::vector<double>(n);
    for (std::size_t i = 0; i < n; ++i) values[i] += mean[i];
    const auto best = std::max_element(values.begin(), values.end()) - values.begin();
    chances[static_cast<std::size_t>(best)] += 1.0 / kDraws;
  }
  return chances;
}

}  // namespace expo
