#include "expo/evaluation/leaderboard_row.h"

#include "expo/evaluation/resampled_row.h"

namespace expo {
namespace {

const char* word_of(RegularisationChoice choice) {
  switch (choice) {
    case RegularisationChoice::given:
      return "given";
    case RegularisationChoice::cross_validated:
      return "cross-validated";
    case RegularisationChoice::published:
      return "published";
  }
  return "";
}

Json name_or_null(const std::string& name) {
  return name.empty() ? Json() : Json(name);
}

Json fit_json(const LeaderboardRow& row) {
  if (row.is_baseline) return Json();
  const ControlledWinRate& controlled = row.controlled;
  return {{"regularisation", controlled.regularisation},
          {"chosen", word_of(controlled.choice)},
          {"length", controlled.coefficients[0]},
          {"difficulty", controlled.coefficients[1]},
          {"constant", controlled.coefficients[2]}};
}

}  // namespace

LeaderboardRow evaluate(const Annotations& annotations, const ReferenceData& reference,
                        const EvaluationOptions& options, const CancellationToken& cancellation) {
  const JudgedRows judged = judged_rows(annotations, reference, options.rows);
  return resample(annotations, judged, reference, options, cancellation).row;
}

Json to_json(const LeaderboardRow& row) {
  const auto comparable = is_comparable(row);
  return {{"model", row.model},
          {"win_rate", row.wins.win_rate},
          {"standard_error", row.wins.standard_error},
          {"n_wins", row.wins.wins},
          {"n_wins_base", row.wins.baseline_wins},
          {"n_draws", row.wins.draws},
          {"n_total", row.rows},
          {"discrete_win_rate", row.wins.discrete_win_rate},
          {"avg_length", row.mean_length},
          {"length_controlled_winrate", row.controlled.win_rate},
          {"length_controlled_95", {row.interval.first, row.interval.second}},
          {"n_failed", row.failed},
          {"n_missing", row.missing},
          {"baseline", name_or_null(row.baseline)},
          {"judge", name_or_null(row.judge)},
          {"alpaca_eval", row.alpaca_eval},
          {"comparable", comparable ? Json(*comparable) : Json()},
          {"fit", fit_json(row)},
          {"resamples", row.resamples},
          {"seed", row.seed},
          {"notes", row.notes}};
}

}  // namespace expo
