#pragma once

#include <optional>
#include <span>
#include <vector>

#include "expo/search/means_belief.h"
#include "expo/search/score_table.h"

namespace expo {

/// What is believed of the true means of points in the space of ModulePlace.
struct ModuleBelief : MeansBelief {
  std::vector<std::size_t> candidates;
  std::vector<ModulePlace> places;  ///< of the candidates, and then of the proposals
};

/// The place of a candidate relative to the uniform α of `start`: another uniform α of its family
/// lies where all multipliers are alike. std::nullopt for a candidate of another family, and for α
/// that are not positive.
std::optional<ModulePlace> place_of(const ScoreTable& table, std::size_t candidate,
                                    std::size_t start);

/// Estimates the means of candidates that have scores and a place, without those that are clearly
/// behind, and predicts those of `proposals`, which come last. The means are a Gaussian process
/// over the places with a squared-exponential kernel, whose reach and size are averaged over their
/// likelihood; with a long reach that is close to a quadratic. So uniform α that were answered
/// before tell of the direction in which all multipliers grow.
ModuleBelief believe_modules(const ScoreTable& table, std::span<const std::size_t> candidates,
                             std::size_t start, std::span<const ModulePlace> proposals = {});

}  // namespace expo
