#pragma once

#include <cstdint>
#include <span>
#include <utility>

#include "expo/engine/scoring_job.h"

namespace expo {

/// The mean of at least one value, with its standard error.
MeanOfRewards mean_of(std::span<const double> values);

/// Wilson's 95 % score interval for the proportion of `successes` among `trials` (at least 1).
std::pair<double, double> wilson_interval(std::uint64_t successes, std::uint64_t trials);

/// The scores of at least one pair of rewards; in each pair the chosen answer's comes first.
PairScores score_pairs(std::span<const std::pair<double, double>> pairs);

}  // namespace expo
