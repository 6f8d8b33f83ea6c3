#include "expo/evaluation/resampled_row.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "expo/core/parallel.h"
#include "expo/core/text.h"
#include "expo/evaluation/bootstrap.h"
#include "expo/search/statistics/summary.h"

namespace expo {
namespace {

constexpr const char* kPublishedJudge = "weighted_alpaca_eval_gpt4_turbo";
constexpr double kBaselinesRate = 50;  // a baseline's own rate, by definition

/// All rows whose lengths are known: first those that have a preference.
std::vector<Annotation> all_rows(const JudgedRows& judged) {
  std::vector<Annotation> rows = judged.rows;
  rows.insert(rows.end(), judged.unjudged.begin(), judged.unjudged.end());
  return rows;
}

LengthControl length_control(const JudgedRows& judged, const ReferenceData& reference,
                             const EvaluationOptions& options) {
  std::vector<ControlledRow> rows;
  for (const Annotation& row : all_rows(judged)) {
    rows.push_back({.length_difference = static_cast<double>(row.baseline_length) -
                                         static_cast<double>(row.model_length),
                    .label = row.preference ? std::optional(*row.preference - 1) : std::nullopt,
                    .difficulty = judged.alpaca_eval ? reference.difficulties[row.index] : 0});
  }
  return {std::move(rows), judged.alpaca_eval ? std::optional(reference.gamed) : std::nullopt,
          options.regularisation};
}

std::uint64_t mean_length(const std::vector<Annotation>& rows) {
  double sum = 0;
  for (const Annotation& row : rows) sum += static_cast<double>(row.model_length);
  return static_cast<std::uint64_t>(sum / static_cast<double>(rows.size()));
}

/// How often a resample draws each of all_rows(). Rows that the judge failed on are drawn among
/// themselves, so that as many rows have a preference in every resample, and at least one has.
std::vector<double> drawn(const JudgedRows& judged, const EvaluationOptions& options,
                          std::size_t number) {
  std::vector<double> counts = resample_counts(options.seed, number, judged.rows.size());
  const std::vector<double> others =
      resample_counts(options.seed, options.resamples + number, judged.unjudged.size());
  counts.insert(counts.end(), others.begin(), others.end());
  return counts;
}

/// The win rate, in percent, if each row occurs so many times.
double resampled_win_rate(const std::vector<Annotation>& rows, const std::vector<double>& counts) {
  double sum = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) sum += counts[i] * (*rows[i].preference - 1);
  return 100 * sum / static_cast<double>(rows.size());
}

std::string coverage(const LeaderboardRow& row) {
  return fmt::format(
      "the figures are over {} of {} (without a preference: {}, missing: {}), so they "
      "cannot be compared with those over all",
      row.rows, counted(row.rows + row.failed + row.missing, "row"), row.failed, row.missing);
}

std::string unlike_published(const LeaderboardRow& row) {
  if (!row.alpaca_eval)
    return "the instructions or the baseline's answers are not those of AlpacaEval 2.0, so the fit "
           "has "
           "neither difficulties nor gamed rows, and the length-controlled win rate cannot be "
           "compared "
           "with published ones";
  if (row.judge.empty())
    return fmt::format(
        "the annotations do not name their judge; the length-controlled win rate can be "
        "compared with published ones only if that was {}",
        kPublishedJudge);
  if (row.judge != kPublishedJudge)
    return fmt::format(
        "the judge is {}, not {} (gpt-4-1106-preview), so the length-controlled win rate "
        "cannot be compared with published ones",
        on_one_line(row.judge), kPublishedJudge);
  return {};
}

std::vector<std::string> notes(const LeaderboardRow& row) {
  std::vector<std::string> found;
  if (row.failed + row.missing > 0) found.push_back(coverage(row));
  if (std::string sentence = unlike_published(row); !sentence.empty())
    found.push_back(std::move(sentence));
  if (row.is_baseline)
    found.emplace_back(
        "the model is the baseline itself, so its length-controlled win rate is 50 by definition, "
        "and nothing is fitted");
  if (!row.controlled.lengths_vary)
    found.emplace_back(
        "all answers differ from the baseline's by the same length, so nothing is known "
        "of the effect of length, and none is taken out");
  return found;
}

}  // namespace

std::optional<bool> is_comparable(const LeaderboardRow& row) {
  if (!row.alpaca_eval || row.failed + row.missing > 0) return false;
  if (row.judge.empty()) return std::nullopt;
  return row.judge == kPublishedJudge;
}

WinCounts count_wins(const std::vector<Annotation>& rows) {
  constexpr double kDraw = 1.5;
  WinCounts counts;
  std::vector<double> labels;
  for (const Annotation& row : rows) {
    const double preference = row.preference.value();
    labels.push_back(preference - 1);
    if (preference > kDraw) ++counts.wins;
    if (preference < kDraw) ++counts.baseline_wins;
    if (preference == kDraw) ++counts.draws;
  }
  const Summary summary = summarize(labels);
  counts.win_rate = 100 * summary.mean;
  counts.standard_error = 100 * summary.standard_error;
  counts.discrete_win_rate =
      100 * (static_cast<double>(counts.wins) + static_cast<double>(counts.draws) / 2) /
      static_cast<double>(rows.size());
  return counts;
}

ResampledRow resample(const Annotations& annotations, const JudgedRows& judged,
                      const ReferenceData& reference, const EvaluationOptions& options,
                      const CancellationToken& cancellation) {
  const bool is_baseline =
      !annotations.baseline.empty() && annotations.model == annotations.baseline;
  std::optional<LengthControl> control;
  if (!is_baseline) control.emplace(length_control(judged, reference, options));
  ResampledRow result;
  result.win_rates.resize(options.resamples);
  result.controlled_win_rates.resize(options.resamples);
  parallel_for(options.resamples, available_threads(), [&](std::size_t number, unsigned) {
    cancellation.check();
    const auto counts = drawn(judged, options, number);
    result.win_rates[number] = resampled_win_rate(judged.rows, counts);
    result.controlled_win_rates[number] =
        control ? control->resampled_win_rate(counts) : kBaselinesRate;
  });
  result.row = {
      .model = annotations.model,
      .baseline = annotations.baseline,
      .judge = annotations.judge,
      .wins = count_wins(judged.rows),
      .rows = judged.rows.size(),
      .failed = judged.failed,
      .missing = judged.missing,
      .mean_length = mean_length(all_rows(judged)),
      .controlled = control ? control->result()
                            : ControlledWinRate{.win_rate = kBaselinesRate, .lengths_vary = true},
      .interval = percentile_interval(result.controlled_win_rates),
      .alpaca_eval = judged.alpaca_eval,
      .is_baseline = is_baseline,
      .resamples = options.resamples,
      .seed = options.seed,
      .notes = {}};
  result.row.notes = notes(result.row);
  return result;
}

}  // namespace expo
