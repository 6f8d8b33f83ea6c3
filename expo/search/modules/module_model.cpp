#include "expo/search/modules/module_model.h"

#include <array>
#include <cmath>

namespace expo {
namespace {

constexpr std::array kReaches{1.0, 2.0, 4.0};       // on the scale of ModulePlace
constexpr std::array kSizes{0.03, 0.08, 0.2, 0.5};  // in deviations of a row's score
constexpr double kOwn = 0.02;  // share of the variation that neighbours do not have in common
constexpr double kLevel = 2;   // deviations of the common level

SquareMatrix prior(std::span<const ModulePlace> places, double reach, double size, double level) {
  SquareMatrix result(places.size());
  for (std::size_t i = 0; i < places.size(); ++i) {
    for (std::size_t j = 0; j < places.size(); ++j) {
      const double alike =
          (1 - kOwn) * std::exp(-squared_distance(places[i], places[j]) / (2 * reach * reach));
      result(i, j) = size * size * (alike + (i == j ? kOwn : 0)) + level * level;
    }
  }
  return result;
}

}  // namespace

std::optional<ModulePlace> place_of(const ScoreTable& table, std::size_t candidate,
                                    std::size_t start) {
  const Candidate& origin = table.candidates()[start];
  const Candidate& each = table.candidates()[candidate];
  if (each.family != origin.family || each.alpha <= 0 || origin.alpha <= 0) return std::nullopt;
  ModulePlace place = each.modules ? place_of(*each.modules) : ModulePlace{};
  for (std::size_t i = 0; i < 3; ++i) place[i] += std::log2(each.alpha / origin.alpha);
  return place;
}

ModuleBelief believe_modules(const ScoreTable& table, std::span<const std::size_t> candidates,
                             std::size_t start, std::span<const ModulePlace> proposals) {
  std::vector<std::size_t> known;
  for (const std::size_t each : candidates) {
    if (!table.of(each).empty() && place_of(table, each, start)) known.push_back(each);
  }
  const LayoutFit whole = fit_layout(table, known);
  const std::vector<std::size_t> kept = hopeful(whole);
  const LayoutFit fit = part_of(whole, kept);
  ModuleBelief belief;
  for (const std::size_t i : kept) {
    belief.candidates.push_back(known[i]);
    belief.places.push_back(*place_of(table, known[i], start));
  }
  belief.places.insert(belief.places.end(), proposals.begin(), proposals.end());
  const double unit = fit.deviation;
  std::vector<SquareMatrix> priors;
  for (const double reach : kReaches) {
    for (const double size : kSizes)
      priors.push_back(prior(belief.places, reach, size * unit, kLevel * unit));
  }
  static_cast<MeansBelief&>(belief) = condition_on(fit, priors);
  return belief;
}

}  // namespace expo
