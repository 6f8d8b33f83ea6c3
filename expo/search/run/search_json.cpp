#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

#include "expo/search/run/search_run.h"

namespace expo {
namespace {

/// JSON has no infinity: a bound that few prompts leave open is null.
Json value_or_null(double value) {
  return std::isfinite(value) ? Json(value) : Json();
}

Json interval_json(const std::pair<double, double>& interval) {
  return Json::array({value_or_null(interval.first), value_or_null(interval.second)});
}

const char* method_name(FlipMethod method) {
  switch (method) {
    case FlipMethod::sign_test:
      return "sign-test";
    case FlipMethod::lattice:
      return "exact";
    case FlipMethod::enumeration:
      return "enumeration";
    case FlipMethod::monte_carlo:
      break;
  }
  return "monte-carlo";
}

Json equal_length_json(const std::optional<EqualLengthGain>& gain) {
  if (!gain) return {};
  return {{"gain", gain->gain},
          {"standard_error", gain->standard_error},
          {"interval_95", interval_json(gain->interval)},
          {"per_unit", gain->per_unit}};
}

Json comparison_json(const std::optional<Comparison>& comparison) {
  if (!comparison) return {};
  return {{"prompts", comparison->difference.count},
          {"gain", comparison->difference.mean},
          {"standard_deviation", comparison->difference.deviation},
          {"interval", interval_json(comparison->interval)},
          {"interval_95", interval_json(comparison->wide_interval)},
          {"p", comparison->p},
          {"method", method_name(comparison->method)},
          {"at_equal_length", equal_length_json(comparison->at_equal_length)}};
}

/// Numbers of candidates in the order of their families, and then of their α.
std::vector<std::size_t> by_alpha(const std::vector<SearchedCandidate>& candidates) {
  std::vector<std::size_t> order(candidates.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t left, std::size_t right) {
    const Candidate& first = candidates[left].candidate;
    const Candidate& second = candidates[right].candidate;
    return std::tie(first.family, first.alpha) < std::tie(second.family, second.alpha);
  });
  return order;
}

/// The name of the model that a candidate is made of; null if it has none.
Json model_of(const SearchResult& result, std::size_t candidate) {
  const std::size_t family = result.candidates.at(candidate).candidate.family;
  return family < result.models.size() ? Json(result.models[family]) : Json();
}

Json training_json(const SearchResult& result) {
  Json json = comparison_json(result.confirmation.training);
  if (!json.is_null()) json["model"] = model_of(result, *result.trained);
  return json;
}

Json candidates_json(const SearchResult& result) {
  Json rows = Json::array();
  for (const std::size_t i : by_alpha(result.candidates)) {
    const SearchedCandidate& each = result.candidates[i];
    const bool tied = std::find(result.tied.begin(), result.tied.end(), i) != result.tied.end();
    rows.push_back(
        {{"alpha", each.candidate.alpha},
         {"effective_alpha", number_or_null(each.rounding.effective_alpha)},
         {"lost", number_or_null(each.rounding.lost)},
         {"model", model_of(result, i)},
         {"label", each.candidate.label},
         {"recommended", i == result.recommended},
         {"chosen", i == result.chosen},
         {"best", i == result.best},
         {"tied", tied},
         {"eligible", each.eligible},
         {"collapsed", each.collapsed ? to_json(*each.collapsed) : Json()},
         {"drift_from_aligned", drift_json(each.drift, &Drift::from_aligned)},
         {"drift_from_sft", drift_json(each.drift, &Drift::from_sft)},
         {"drift_from_aligned_error", drift_json(each.drift, &Drift::from_aligned_error)},
         {"drift_from_sft_error", drift_json(each.drift, &Drift::from_sft_error)},
         {"choosing", estimate_json(each.choosing, result.measures)},
         {"confirming", estimate_json(each.confirming, result.measures)}});
  }
  return rows;
}

Json alphas_json(const SearchResult& result) {
  Json alphas = Json::array();
  for (const std::size_t each : result.tied)
    alphas.push_back(result.candidates[each].candidate.alpha);
  return alphas;
}

}  // namespace

Json to_json(const SearchResult& result) {
  const auto& gain = result.confirmation.gain;
  const auto& needed = result.confirmation.needed_prompts;
  Json json{{"alpha", result.alpha},
            {"model", model_of(result, result.recommended)},
            {"verdict", verdict_name(result.confirmation.verdict)},
            {"gain", gain ? Json(gain->difference.mean) : Json()},
            {"interval", gain ? interval_json(gain->interval) : Json()},
            {"p", gain ? Json(gain->p) : Json()},
            {"tokens", result.tokens},
            {"baseline", result.candidates[result.rival.value_or(result.baseline)].candidate.label},
            {"chosen", result.candidates[result.chosen].candidate.alpha},
            {"best", result.candidates[result.best].candidate.alpha},
            {"tied", alphas_json(result)},
            {"needed_prompts", needed ? Json(*needed) : Json()},
            {"confirmation", comparison_json(gain)},
            {"modules", result.modules ? to_json(*result.modules) : Json()},
            {"training", training_json(result)},
            {"shown", shown_json(result.measure_differences, result.measures)},
            {"prompts",
             {{"choosing", result.choosing_prompts},
              {"confirming", result.confirming_prompts},
              {"compared", result.compared_prompts}}},
            {"choosing_tokens", result.choosing_tokens},
            {"candidates", candidates_json(result)},
            {"warnings", result.warnings}};
  if (!result.judged.is_null()) json["judged"] = result.judged;
  return json;
}

Json to_json(const Collapsed& collapsed) {
  return {{"kind", collapse_name(collapsed.kind)},
          {"share", collapsed.share},
          {"share_at_zero", collapsed.baseline},
          {"answers", collapsed.answers},
          {"cap", collapsed.cap}};
}

Json to_json(const std::optional<Comparison>& comparison) {
  return comparison_json(comparison);
}

Json to_json(const Look& look, std::size_t number, const std::vector<Candidate>& candidates) {
  Json entries = Json::array();
  for (const LookEntry& entry : look.entries) {
    entries.push_back({{"alpha", candidates.at(entry.candidate).alpha},
                       {"label", candidates.at(entry.candidate).label},
                       {"rows", entry.prompts},
                       {"mean", value_or_null(entry.mean)},
                       {"belief", value_or_null(entry.belief)},
                       {"chance", entry.chance},
                       {"alive", entry.alive}});
    if (const auto& modules = candidates.at(entry.candidate).modules)
      entries.back()["modules"] = to_json(*modules);
  }
  return {{"look", number}, {"tokens", look.tokens}, {"candidates", std::move(entries)}};
}

}  // namespace expo
