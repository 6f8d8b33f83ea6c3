#pragma once

#include <utility>

#include "expo/core/json.h"
#include "expo/evaluation/leaderboard_row.h"

namespace expo {

/// The second model's rate minus the first one's, in percentage points.
struct RateDifference {
  double difference = 0;
  std::pair<double, double> interval;  ///< 95 %
};

/// Two models on the same instructions.
struct Comparison {
  LeaderboardRow first;
  LeaderboardRow second;
  RateDifference win_rate;
  RateDifference controlled_win_rate;
};

/// Compares two models over the instructions that both have a preference for, which alone decide
/// whether they are AlpacaEval's. Both are resampled alike, so that the intervals are those of
/// paired differences. Throws Error(input) that names the
/// row for an instruction, or a baseline's answer, that is not the same in both, for a row that
/// only one of them has (unless missing rows are allowed), and for two judges; and what evaluate()
/// throws.
Comparison compare(const Annotations& first, const Annotations& second,
                   const ReferenceData& reference, const EvaluationOptions& options,
                   const CancellationToken& cancellation);

Json to_json(const Comparison& comparison);

}  // namespace expo
