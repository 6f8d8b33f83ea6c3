#include "expo/search/modules/module_model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

namespace expo {
namespace {

constexpr std::array kReaches{1.0, 2.0, 4.0};       // on the scale of ModulePlace
constexpr std::array kSizes{0.03, 0.08, 0.2, 0.5};  // in deviations of a row's score
constexpr double kOwn = 0.02;  // share of the variation that neighbours do not have in common

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
  std::vector<std::size_t> placed;
  std::copy_if(candidates.begin(), candidates.end(), std::back_inserter(placed),
               [&](std::size_t each) { return place_of(table, each, start).has_value(); });
  const HopefulFit hopeful = fit_hopeful(table, placed);
  ModuleBelief belief;
  belief.candidates = hopeful.candidates;
  for (const std::size_t each : hopeful.candidates)
    belief.places.push_back(*place_of(table, each, start));
  belief.places.insert(belief.places.end(), proposals.begin(), proposals.end());
  const MeansPrior prior{kReaches, kSizes, kOwn, [&](std::size_t i, std::size_t j, double reach) {
                           const double square =
                               squared_distance(belief.places[i], belief.places[j]);
                           return std::exp(-square / (2 * reach * reach));
                         }};
  static_cast<MeansBelief&>(belief) = condition_on(hopeful.fit, belief.places.size(), prior);
  return belief;
}

}  // namespace expo
