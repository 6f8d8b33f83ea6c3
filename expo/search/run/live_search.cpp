#include "expo/search/run/live_search.h"

#include <algorithm>

namespace expo {
namespace {

constexpr std::size_t kShownPrompts = 10;  // in samples.jsonl

std::vector<LiveCandidate> candidates_of(const std::vector<double>& alphas) {
  std::vector<LiveCandidate> candidates;
  for (const double alpha : alphas) candidates.push_back(uniform_candidate(alpha));
  return candidates;
}

/// What a candidate answers to a prompt, for samples.jsonl; null if it was not asked.
Json shown_answer(const LiveScoreSource& source, const ScoreRequest& request) {
  const KeptAnswer* answer = source.answer_of(request);
  if (answer == nullptr) return {};
  const auto score = source.scores_of(request).at(0);
  return {{"alpha", source.candidates()[request.candidate].alpha},
          {"answer", answer->text},
          {"score", score ? Json(*score) : Json()},
          {"tokens", answer->tokens},
          {"finish_reason", answer->finish == FinishReason::length ? "length" : "stop"}};
}

/// SFT, ALIGNED and the chosen α side by side, on prompts that chose nothing.
std::vector<Json> sample_rows(const LiveScoreSource& source, const LiveSearch& search,
                              const SearchResult& result) {
  std::vector<std::size_t> compared{result.baseline};
  if (result.control) compared.insert(compared.begin(), *result.control);
  if (result.chosen != result.baseline) compared.push_back(result.chosen);
  std::vector<Json> rows;
  for (const std::size_t prompt : search.split.confirming) {
    if (rows.size() == kShownPrompts) break;
    Json answers = Json::array();
    for (const std::size_t candidate : compared) {
      if (Json shown = shown_answer(source, {candidate, prompt, 0}); !shown.is_null())
        answers.push_back(std::move(shown));
    }
    if (answers.empty()) continue;
    rows.push_back({{"prompt_id", search.prompts[prompt].id},
                    {"messages", search.prompts[prompt].chat.messages},
                    {"answers", std::move(answers)}});
  }
  return rows;
}

Json result_json(const LiveSearch& search, SearchResult result) {
  result.warnings.insert(result.warnings.begin(), search.warnings.begin(), search.warnings.end());
  Json json = {{"schema", "expo-search-1"}};
  json.update(to_json(result));
  json.update(search.facts);
  return json;
}

}  // namespace

Json run_live_search(Filesystem& filesystem, SearchFolder& folder, Engine& policy,
                     AnswerScorer& scorer, const LiveSearch& search, RowProgress* progress,
                     const CancellationToken& cancellation) {
  AnswerCache cache(filesystem, folder.file("answers.jsonl"));
  LiveScoreSource source({{&policy, ""}}, candidates_of(search.alphas), search.prompts, {&scorer},
                         cache, search.live, progress, cancellation);
  SearchRunOptions run = search.run;
  run.on_look = [&](const Look& look, std::size_t number, const std::vector<Candidate>& all) {
    folder.trace(to_json(look, number, all));
    if (search.run.on_look) search.run.on_look(look, number, all);
  };
  const SearchResult result = run_search(source, search.split, run);
  folder.trace({{"confirmed", result.candidates[result.chosen].candidate.alpha},
                {"prompts", result.compared_prompts},
                {"tokens", result.tokens}});
  cancellation.check();
  Json json = result_json(search, result);
  folder.commit(sample_rows(source, search, result), json);
  return json;
}

}  // namespace expo
