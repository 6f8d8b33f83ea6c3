#pragma once

#include <string>
#include <vector>

#include "expo/evaluation/comparison.h"
#include "expo/evaluation/leaderboard_row.h"

namespace expo {

/// A table with a line for each model, and what limits the figures.
std::string describe(const std::vector<LeaderboardRow>& rows);
/// The two models, their differences, and what limits the figures.
std::string describe(const Comparison& comparison);

}  // namespace expo
