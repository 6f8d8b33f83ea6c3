#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "expo/core/json.h"
#include "expo/search/live/drift_estimate.h"
#include "expo/search/score_table.h"
#include "expo/search/source/score_source.h"
#include "expo/search/statistics/summary.h"

namespace expo {

/// What some prompts say of a candidate: means of prompt means.
struct Estimate {
  std::size_t prompts = 0;
  double mean = 0;
  double standard_error = 0;
  double length = 0;
  double truncated = 0;                ///< share of the answers that the limit ended
  std::vector<Summary> measures = {};  ///< the source's further ones, in its order
};

/// What a table knows of a candidate; std::nullopt if that is nothing.
std::optional<Estimate> estimate_of(const ScoreTable& table, std::size_t candidate);

/// A candidate's measures minus those of another one, prompt by prompt.
std::vector<Summary> measure_differences(const ScoreTable& table, std::size_t candidate,
                                         std::size_t other);

/// The number, or null.
Json number_or_null(const std::optional<double>& number);

/// A number of a drift, or null where it was not measured.
template <typename Number>
Json drift_json(const std::optional<Drift>& drift, Number Drift::*number) {
  return drift ? number_or_null((*drift).*number) : Json();
}

/// {"prompts", "mean", "standard_error", "length", …, "scores": {…}}, or null. `measures` are those
/// of the source.
Json estimate_json(const std::optional<Estimate>& estimate, const std::vector<Measure>& measures);

/// What further objectives gain or lose, by their names: {"prompts", "difference",
/// "standard_error"} each.
Json shown_json(std::span<const Summary> differences, const std::vector<Measure>& measures);

}  // namespace expo
