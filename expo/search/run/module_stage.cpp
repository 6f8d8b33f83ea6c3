#include "expo/search/run/module_stage.h"

#include <fmt/format.h>

#include <cmath>

#include "expo/core/text.h"
#include "expo/search/modules/module_budget.h"
#include "expo/search/modules/module_search.h"
#include "expo/search/run/search_run.h"
#include "expo/search/statistics/summary.h"

namespace expo {
namespace {

/// Why there is nothing to search; empty if there is.
std::string reason_to_skip(const ScoreTable& choosing, const ModuleStageOptions& options) {
  if (choosing.candidates()[options.start].alpha <= 0)
    return "α = 0 was chosen, so that there is nothing to vary";
  if (options.first != Verdict::gain)
    return "the uniform α is not shown to gain anything, and its test comes first";
  return {};
}

/// Why no point was asked, of those that could be made.
std::string reason_to_ask_nothing(const ScoreTable& choosing, std::size_t made) {
  if (made < kFewestModulePoints) {
    return "rounding in the type in which the models run would bend too many of its points";
  }
  if (choosing.rows() < kFewestModuleRows) {
    return fmt::format("the choosing part holds {}, and each point needs {}",
                       counted(choosing.rows(), "row"), kFewestModuleRows);
  }
  return "the budget is too small for it";
}

void choose_point(ScoreTable& choosing, const ModuleStageOptions& options, std::uint64_t spent,
                  ModuleOutcome& outcome) {
  const std::size_t before = choosing.candidates().size();
  SearchOptions search;
  search.baseline = options.baseline;
  search.guards = options.guards;
  search.on_look = options.on_look;
  search.on_collapsed = options.on_collapsed;
  if (options.tokens) search.tokens = left_until(kModulesEnd, *options.tokens, spent);
  const Choice choice = choose_modules(choosing, options.start, search);
  outcome.chosen_number = choice.chosen;
  outcome.chosen = choosing.candidates()[choice.chosen];
  outcome.choosing_tokens = choice.tokens;
  for (std::size_t i = before; i < choosing.candidates().size(); ++i) {
    if (choosing.of(i).empty()) continue;
    const Summary scores = summarize(score_values(choosing.prompt_means(i)));
    outcome.points.push_back(
        {choosing.candidates()[i], scores.count, scores.mean, scores.standard_error});
  }
  if (choice.looks.empty())
    outcome.skipped = reason_to_ask_nothing(choosing, choosing.candidates().size() - before);
}

/// Compares the chosen point with the start, unless the budget does not reach that.
void test_point(ScoreTable& confirming, const ModuleStageOptions& options, std::uint64_t spent,
                ModuleOutcome& outcome) {
  outcome.confirmation.emplace();
  outcome.confirmation->verdict = Verdict::no_worthwhile_gain;
  if (outcome.chosen_number == options.start) return;
  ConfirmationOptions test;
  test.baseline = options.start;
  test.min_gain = options.min_gain;
  test.seed = options.seed;
  if (!options.guards.empty()) test.guarded_by = options.baseline;
  if (options.tokens) test.tokens = left_until(1, *options.tokens, spent);
  Spending spending(confirming, test.tokens);
  const std::vector<std::size_t> point{outcome.chosen_number};
  spending.extend(point, kFewestPrompts);
  if (confirming.prompt_means(outcome.chosen_number).size() >= kFewestPrompts) {
    if (test.tokens) *test.tokens -= std::min(*test.tokens, spending.spent());
    outcome.confirmation = confirm(confirming, outcome.chosen_number, test);
    return;
  }
  outcome.confirmation.reset();
  outcome.chosen = outcome.start;
  outcome.chosen_number = options.start;
  outcome.skipped = "the budget does not reach the test of the point that was chosen";
}

/// Adds what is shown of the point that was compared, beside the test.
void describe_point(const ScoreTable& choosing, const ScoreTable& confirming,
                    const ModuleStageOptions& options, ModuleOutcome& outcome) {
  if (outcome.chosen_number == options.start) return;
  outcome.choosing = estimate_of(choosing, outcome.chosen_number);
  outcome.confirming = estimate_of(confirming, outcome.chosen_number);
  outcome.measures = confirming.source().measures();
  outcome.measure_differences =
      measure_differences(confirming, outcome.chosen_number, options.start);
}

Json parameters_json(const Candidate& candidate) {
  Json json = {{"alpha", candidate.alpha}};
  json.update(to_json(candidate.modules.value_or(ModulePoint{})));
  return json;
}

Json points_json(const ModuleOutcome& outcome) {
  Json rows = Json::array();
  for (const ModuleOutcome::Point& each : outcome.points) {
    Json row = parameters_json(each.candidate);
    row.update(
        {{"prompts", each.prompts}, {"mean", each.mean}, {"standard_error", each.standard_error}});
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace

ModuleOutcome search_modules(ScoreTable& choosing, ScoreTable& confirming,
                             const ModuleStageOptions& options) {
  ModuleOutcome outcome;
  outcome.start = outcome.chosen = choosing.candidates()[options.start];
  outcome.chosen_number = options.start;
  outcome.skipped = reason_to_skip(choosing, options);
  if (!outcome.skipped.empty()) return outcome;
  choose_point(choosing, options, choosing.tokens() + confirming.tokens(), outcome);
  if (!outcome.skipped.empty()) return outcome;
  test_point(confirming, options, choosing.tokens() + confirming.tokens(), outcome);
  describe_point(choosing, confirming, options, outcome);
  return outcome;
}

Json to_json(const ModulePoint& point) {
  return {{"attention", point.attention},
          {"mlp", point.mlp},
          {"rest", point.rest},
          {"slope", point.slope}};
}

Json to_json(const ModuleOutcome& outcome) {
  const std::optional<Comparison> gain =
      outcome.confirmation ? outcome.confirmation->gain : std::nullopt;
  Json needed;
  if (outcome.confirmation && outcome.confirmation->needed_prompts)
    needed = *outcome.confirmation->needed_prompts;
  const Json comparison = to_json(gain);
  return {{"verdict", outcome.confirmation ? verdict_name(outcome.confirmation->verdict)
                                           : std::string_view("not-tested")},
          {"reason", outcome.skipped.empty() ? Json() : Json(outcome.skipped)},
          {"parameters", parameters_json(outcome.chosen)},
          {"gain", gain ? comparison.at("gain") : Json()},
          {"interval", gain ? comparison.at("interval") : Json()},
          {"p", gain ? comparison.at("p") : Json()},
          {"needed_prompts", needed},
          {"confirmation", comparison},
          {"choosing", estimate_json(outcome.choosing, outcome.measures)},
          {"confirming", estimate_json(outcome.confirming, outcome.measures)},
          {"shown", shown_json(outcome.measure_differences, outcome.measures)},
          {"drift_from_aligned", drift_json(outcome.drift, &Drift::from_aligned)},
          {"drift_from_sft", drift_json(outcome.drift, &Drift::from_sft)},
          {"drift_from_aligned_error", drift_json(outcome.drift, &Drift::from_aligned_error)},
          {"drift_from_sft_error", drift_json(outcome.drift, &Drift::from_sft_error)},
          {"choosing_tokens", outcome.choosing_tokens},
          {"points", points_json(outcome)}};
}

}  // namespace expo
