#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "expo/core/json.h"
#include "expo/core/progress.h"
#include "expo/evaluation/annotations.h"
#include "expo/evaluation/judged_rows.h"
#include "expo/evaluation/length_control.h"
#include "expo/evaluation/reference_data.h"

namespace expo {

/// How figures are computed from annotations.
struct EvaluationOptions {
  RowDemands rows = {};
  std::optional<double> regularisation = {};  ///< liblinear's C, above 0; default: LengthControl's
  std::size_t resamples = 2000;               ///< of the bootstrap, at least 1
  std::uint64_t seed = 0;                     ///< of the bootstrap
};

/// Wins as AlpacaEval counts and averages them.
struct WinCounts {
  double win_rate = 0;        ///< 100 · mean(preference − 1)
  double standard_error = 0;  ///< of the win rate
  std::size_t wins = 0;       ///< preferences above 1.5
  std::size_t baseline_wins = 0;
  std::size_t draws = 0;
  double discrete_win_rate = 0;  ///< 100 · (wins + draws / 2) / rows
};

/// Takes rows that have a preference.
WinCounts count_wins(const std::vector<Annotation>& rows);

/// A model's row on AlpacaEval's leaderboard. Rates are in percent.
struct LeaderboardRow {
  std::string model;
  std::string baseline;  ///< empty if not known
  std::string judge;     ///< empty if not known
  WinCounts wins;
  std::size_t rows = 0;           ///< with a preference
  std::uint64_t failed = 0;       ///< the judge failed on them
  std::uint64_t missing = 0;      ///< not in the file
  std::uint64_t mean_length = 0;  ///< of the model's answers in characters, rounded down
  ControlledWinRate controlled;
  std::pair<double, double> interval;  ///< 95 %, of the length-controlled win rate
  bool alpaca_eval = false;            ///< whether difficulties and gamed rows are in the fit
  /// Whether the model is the baseline itself: then its length-controlled win rate is 50 by
  /// definition, and there is no fit.
  bool is_baseline = false;
  std::size_t resamples = 0;
  std::uint64_t seed = 0;
  std::vector<std::string> notes;  ///< what limits the figures, one sentence each
};

/// Whether the length-controlled win rate may stand beside published ones: std::nullopt if that
/// depends on the judge, which the annotations do not name.
std::optional<bool> is_comparable(const LeaderboardRow& row);

/// Computes a model's row. The interval is that of a bootstrap over instructions, in which the
/// model is fitted again to each resample. Rows that the judge failed on, where they are allowed,
/// take part as LengthControl says. Throws what judged_rows() and the cancellation throw.
LeaderboardRow evaluate(const Annotations& annotations, const ReferenceData& reference,
                        const EvaluationOptions& options, const CancellationToken& cancellation);

/// AlpacaEval's columns first: model, win_rate, standard_error, n_wins, n_wins_base, n_draws,
/// n_total, discrete_win_rate, avg_length, length_controlled_winrate.
Json to_json(const LeaderboardRow& row);

}  // namespace expo
