#pragma once

#include <vector>

#include "expo/evaluation/leaderboard_row.h"

namespace expo {

/// A model's row, and its two rates on each resample. Models with equally many rows are resampled
/// alike.
struct ResampledRow {
  LeaderboardRow row;
  std::vector<double> win_rates;
  std::vector<double> controlled_win_rates;
};

/// `judged` are rows of the annotations.
ResampledRow resample(const Annotations& annotations, const JudgedRows& judged,
                      const ReferenceData& reference, const EvaluationOptions& options,
                      const CancellationToken& cancellation);

}  // namespace expo
