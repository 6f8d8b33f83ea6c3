#pragma once

#include <cstdint>
#include <span>
#include <utility>

#include "expo/engine/scoring_job.h"

namespace expo {

/// Of at least one value.
MeanOfRewards mean_of(std::span<const double> values);

/// Wilson's score interval of a proportion at 95 %: what `successes` of `trials` (at least 1) say.
std::pair<double, double> wilson_interval(std::uint64_t successes, std::uint64_t trials);

/// Of at least one pair of rewards, the chosen answer's first.
PairScores score_pairs(std::span<const std::pair<double, double>> pairs);

}  // namespace expo
