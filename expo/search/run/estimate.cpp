#include "expo/search/run/estimate.h"

namespace expo {

std::optional<Estimate> estimate_of(const ScoreTable& table, std::size_t candidate) {
  const std::vector<PromptScore> prompts = table.prompt_means(candidate);
  if (prompts.empty()) return std::nullopt;
  const Summary scores = summarize(score_values(prompts));
  Estimate result{scores.count, scores.mean, scores.standard_error};
  for (const PromptScore& each : prompts) {
    result.length += each.length / static_cast<double>(prompts.size());
    result.truncated += each.truncated / static_cast<double>(prompts.size());
  }
  for (std::size_t i = 0; i < prompts.front().measures.size(); ++i)
    result.measures.push_back(summarize(score_values(prompts, MeasurePick(i))));
  return result;
}

std::vector<Summary> measure_differences(const ScoreTable& table, std::size_t candidate,
                                         std::size_t other) {
  const auto own = table.prompt_means(candidate);
  const auto others = table.prompt_means(other);
  std::vector<Summary> result;
  for (std::size_t i = 0; i < table.source().measures().size(); ++i)
    result.push_back(summarize(paired_differences(own, others, MeasurePick(i))));
  return result;
}

Json number_or_null(const std::optional<double>& number) {
  return number ? Json(*number) : Json();
}

Json estimate_json(const std::optional<Estimate>& estimate, const std::vector<Measure>& measures) {
  if (!estimate) return {};
  Json scores = Json::object();
  Json json = {{"prompts", estimate->prompts},
               {"mean", estimate->mean},
               {"standard_error", estimate->standard_error},
               {"length", estimate->length},
               {"truncated", estimate->truncated},
               {"repetition", nullptr},
               {"distinct_2", nullptr}};
  for (std::size_t i = 0; i < estimate->measures.size(); ++i) {
    const Summary& each = estimate->measures[i];
    if (measures.at(i).is_objective) {
      scores[measures[i].name] = {{"mean", each.mean}, {"standard_error", each.standard_error}};
    } else {
      json[measures[i].name] = each.mean;
    }
  }
  json["scores"] = std::move(scores);
  return json;
}

Json shown_json(std::span<const Summary> differences, const std::vector<Measure>& measures) {
  Json shown = Json::object();
  for (std::size_t i = 0; i < differences.size(); ++i) {
    if (!measures.at(i).is_objective) continue;
    shown[measures[i].name] = {{"prompts", differences[i].count},
                               {"difference", differences[i].mean},
                               {"standard_error", differences[i].standard_error}};
  }
  return shown;
}

}  // namespace expo
