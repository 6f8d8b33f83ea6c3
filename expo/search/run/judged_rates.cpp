#include "expo/search/run/judged_rates.h"

#include "expo/core/text.h"
#include "expo/evaluation/leaderboard_row.h"

namespace expo {
namespace {

constexpr std::size_t kFewestRows = 3;  // with which there is a spread of lengths to be fitted

Annotations annotations_of(const LiveScoreSource& source, std::size_t candidate,
                           std::size_t baseline, const LiveSearch& search) {
  Annotations annotations{.location = "the confirming part",
                          .model = source.candidates()[candidate].label,
                          .baseline = source.candidates()[baseline].label};
  for (const std::size_t prompt : search.split.confirming) {
    for (std::uint32_t sample = 0; sample < search.live.samples; ++sample) {
      const KeptAnswer* own = source.answer_of({candidate, prompt, sample});
      const KeptAnswer* other = source.answer_of({baseline, prompt, sample});
      const auto scores = source.scores_of({candidate, prompt, sample});
      if (own == nullptr || other == nullptr || !scores.front()) continue;
      annotations.rows.push_back({.index = annotations.rows.size(),
                                  .place = search.prompts[prompt].place,
                                  .baseline_length = count_characters(other->text),
                                  .model_length = count_characters(own->text),
                                  .preference = 1 + *scores.front()});
    }
  }
  return annotations;
}

Json rates_of(const LeaderboardRow& row, double alpha) {
  const Json all = to_json(row);
  Json rates{{"label", row.model}, {"alpha", alpha}};
  for (const char* key : {"win_rate", "standard_error", "discrete_win_rate", "n_total",
                          "avg_length", "length_controlled_winrate", "length_controlled_95"})
    rates[key] = all.at(key);
  return rates;
}

}  // namespace

Json judged_rates(const LiveScoreSource& source, std::size_t baseline, const LiveSearch& search,
                  const SearchResult& result, const CancellationToken& cancellation) {
  Json all = Json::array();
  const EvaluationOptions options{.rows = {.allow_missing = true, .other_instructions = true},
                                  .seed = search.run.seed};
  for (std::size_t i = 0; i < result.candidates.size(); ++i) {
    if (i == baseline || !result.candidates[i].confirming) continue;
    const Annotations annotations = annotations_of(source, i, baseline, search);
    if (annotations.rows.size() < kFewestRows) continue;
    all.push_back(
        rates_of(evaluate(annotations, {}, options, cancellation), source.candidates()[i].alpha));
  }
  return all;
}

}  // namespace expo
