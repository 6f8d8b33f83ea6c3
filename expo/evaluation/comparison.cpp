#include "expo/evaluation/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/evaluation/bootstrap.h"
#include "expo/evaluation/resampled_row.h"

namespace expo {
namespace {

void refuse_two_judges(const Annotations& first, const Annotations& second) {
  if (first.judge.empty() || second.judge.empty() || first.judge == second.judge) return;
  throw input_error(fmt::format(
      "{}: the judge is {}, but {} in {}; expected one judge for both models", second.location,
      on_one_line(second.judge), on_one_line(first.judge), first.location));
}

/// Refuses rows of one index that are not about the same instruction and baseline.
void refuse_other(const Annotation& first, const Annotation& second) {
  if (!first.instruction.empty() && !second.instruction.empty() &&
      first.instruction != second.instruction)
    throw input_error(
        fmt::format("{}: the instruction of index {} is another than in {}; expected "
                    "the same instructions for both models",
                    second.place, second.index, first.place));
  if (first.baseline_length != second.baseline_length)
    throw input_error(
        fmt::format("{}: the baseline's answer of index {} has {}; expected {}, as in {}",
                    second.place, second.index, counted(second.baseline_length, "character"),
                    first.baseline_length, first.place));
}

[[noreturn]] void refuse_alone(const Annotation& row, const Annotations& other) {
  throw input_error(
      fmt::format("{}: the index {} has no row with a preference in {}; expected the same "
                  "rows for both models; give --allow-missing to compare the others",
                  row.place, row.index, other.location));
}

void refuse_others(const Annotations& first, const Annotations& second) {
  auto other = second.rows.begin();
  for (const Annotation& row : first.rows) {
    while (other != second.rows.end() && other->index < row.index) ++other;
    if (other == second.rows.end()) return;
    if (other->index == row.index) refuse_other(row, *other);
  }
}

/// Refuses a row whose index no row of the other model has.
void refuse_any_alone(const JudgedRows& judged, const JudgedRows& others,
                      const Annotations& other) {
  const auto is_alone = [&](const Annotation& row) {
    return !std::ranges::binary_search(others.rows, row.index, {}, &Annotation::index);
  };
  const auto alone = std::ranges::find_if(judged.rows, is_alone);
  if (alone != judged.rows.end()) refuse_alone(*alone, other);
}

RateDifference difference(double first, double second, const std::vector<double>& firsts,
                          const std::vector<double>& seconds) {
  std::vector<double> differences;
  for (std::size_t i = 0; i < firsts.size(); ++i) differences.push_back(seconds[i] - firsts[i]);
  return {second - first, percentile_interval(std::move(differences))};
}

Json difference_json(const RateDifference& rate) {
  return {{"difference", rate.difference},
          {"difference_95", {rate.interval.first, rate.interval.second}}};
}

}  // namespace

Comparison compare(const Annotations& first, const Annotations& second,
                   const ReferenceData& reference, const EvaluationOptions& options,
                   const CancellationToken& cancellation) {
  refuse_two_judges(first, second);
  refuse_others(first, second);
  JudgedRows first_judged = judged_rows(first, reference, options.rows);
  JudgedRows second_judged = judged_rows(second, reference, options.rows);
  if (!options.rows.allow_missing) {
    refuse_any_alone(first_judged, second_judged, second);
    refuse_any_alone(second_judged, first_judged, first);
  }
  keep_common(first_judged, second_judged, reference, options.rows);
  if (first_judged.rows.size() < 2)
    throw input_error(fmt::format("{} and {}: {} with a preference in both; expected at least two",
                                  first.location, second.location,
                                  counted(first_judged.rows.size(), "row")));
  const auto a = resample(first, first_judged, reference, options, cancellation);
  const auto b = resample(second, second_judged, reference, options, cancellation);
  return {a.row, b.row,
          difference(a.row.wins.win_rate, b.row.wins.win_rate, a.win_rates, b.win_rates),
          difference(a.row.controlled.win_rate, b.row.controlled.win_rate, a.controlled_win_rates,
                     b.controlled_win_rates)};
}

Json to_json(const Comparison& comparison) {
  return {{"first", to_json(comparison.first)},
          {"second", to_json(comparison.second)},
          {"n_total", comparison.first.rows},
          {"win_rate", difference_json(comparison.win_rate)},
          {"length_controlled_winrate", difference_json(comparison.controlled_win_rate)},
          {"resamples", comparison.first.resamples},
          {"seed", comparison.first.seed}};
}

}  // namespace expo
