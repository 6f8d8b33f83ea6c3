#include "expo/search/run/live_search.h"

#include <functional>

#include "expo/core/error.h"
#include "expo/extrapolation/recipe/recipe_text.h"
#include "expo/search/live/answer_measures.h"
#include "expo/search/live/drift.h"
#include "expo/search/run/judged_rates.h"
#include "expo/search/run/search_recipe.h"

namespace expo {
namespace {

constexpr std::size_t kShownPrompts = 10;  // in samples.jsonl

/// Puts the prompts and the part that each is in into prompts.jsonl, unless an earlier run has.
void put_prompts(const LiveRun& run, const LiveSearch& search) {
  if (run.filesystem.exists(run.folder.file("prompts.jsonl"))) return;
  std::string lines;
  const auto add = [&](std::size_t i, const char* part) {
    std::string id;
    Json messages;
    if (search.prompts.empty()) {
      const Preference& pair = search.pairs.at(i);
      id = pair.id.empty() ? pair.place : pair.id;
      messages = pair.prompt.messages;
    } else {
      id = search.prompts.at(i).id;
      messages = search.prompts[i].chat.messages;
    }
    lines += compact_json({{"prompt", id}, {"part", part}, {"messages", messages}}) + "\n";
  };
  for (const std::size_t i : search.split.choosing) add(i, "choosing");
  for (const std::size_t i : search.split.confirming) add(i, "confirming");
  run.folder.put("prompts.jsonl", lines);
}

/// All α of each policy; α = −1 is SFT for all of them.
std::vector<LiveCandidate> candidates_of(const std::vector<Policy>& policies,
                                         const LiveSearch& search) {
  std::vector<LiveCandidate> candidates;
  for (std::size_t policy = 0; policy < policies.size(); ++policy) {
    for (const double alpha : search.alphas) {
      if (alpha == -1 && policy > 0) continue;
      candidates.push_back(
          uniform_candidate(alpha, policy, alpha == -1 ? "" : policies[policy].label));
    }
  }
  return candidates;
}

std::vector<Policy> with_rival(std::vector<Policy> policies, const LiveSearch& search) {
  if (search.rival != nullptr) policies.push_back({search.rival, search.rival_name});
  return policies;
}

/// What a candidate answers to a prompt, for samples.jsonl; null if it was not asked.
Json shown_answer(const LiveScoreSource& source, const LiveSearch& search,
                  const ScoreRequest& request) {
  const KeptAnswer* answer = source.answer_of(request);
  if (answer == nullptr) return {};
  const auto value = [](const std::optional<double>& score) {
    return score ? Json(*score) : Json();
  };
  const std::vector<std::optional<double>> scores = source.scores_of(request);
  Json further = Json::object();
  for (std::size_t i = 1; i < scores.size(); ++i)
    further[search.live.further.at(i - 1)] = value(scores[i]);
  return {{"alpha", source.candidates()[request.candidate].alpha},
          {"label", source.candidates()[request.candidate].label},
          {"answer", answer->text},
          {"score", value(scores.at(0))},
          {"scores", std::move(further)},
          {"tokens", answer->tokens},
          {"finish_reason", answer->finish == FinishReason::length ? "length" : "stop"}};
}

/// The candidates that were compared on the confirming part.
std::vector<std::size_t> compared_candidates(const SearchResult& result) {
  std::vector<std::size_t> compared;
  for (std::size_t i = 0; i < result.candidates.size(); ++i) {
    if (result.candidates[i].confirming) compared.push_back(i);
  }
  return compared;
}

/// Those and the point that was compared with one α for all tensors.
std::vector<std::size_t> shown_candidates(const SearchResult& result) {
  std::vector<std::size_t> shown = compared_candidates(result);
  if (result.modules && result.modules->chosen_number != result.chosen)
    shown.push_back(result.modules->chosen_number);
  return shown;
}

/// SFT, ALIGNED and the chosen α side by side, on prompts that chose nothing.
std::vector<Json> sample_rows(const LiveScoreSource& source, const LiveSearch& search,
                              const SearchResult& result) {
  std::vector<Json> rows;
  for (const std::size_t prompt : search.split.confirming) {
    if (rows.size() == kShownPrompts) break;
    Json answers = Json::array();
    for (const std::size_t candidate : shown_candidates(result)) {
      if (Json shown = shown_answer(source, search, {candidate, prompt, 0}); !shown.is_null())
        answers.push_back(std::move(shown));
    }
    if (answers.empty()) continue;
    rows.push_back({{"prompt_id", search.prompts[prompt].id},
                    {"messages", search.prompts[prompt].chat.messages},
                    {"answers", std::move(answers)}});
  }
  return rows;
}

/// Adds how far the compared candidates, and the point among them, have gone.
void add_drift(const LiveRun& run, const LiveScoreSource& source, AnswerCache& cache,
               const LiveSearch& search, SearchResult& result) {
  const std::vector<std::size_t> shown = shown_candidates(result);
  const auto drifts =
      measure_drift(source, cache, shown, search.split.confirming, run.progress, run.cancellation);
  for (std::size_t i = 0; i < shown.size(); ++i) {
    if (shown[i] < result.candidates.size()) {
      result.candidates[shown[i]].drift = drifts[i];
    } else {
      result.modules->drift = drifts[i];
    }
  }
}

Json result_json(const LiveSearch& search, SearchResult result) {
  result.warnings.insert(result.warnings.begin(), search.warnings.begin(), search.warnings.end());
  Json json = {{"schema", "expo-search-1"}};
  json.update(to_json(result));
  json.update(search.facts);
  return json;
}

/// Makes or finds what the chosen α is to be compared with, if not the first policy's α = 0.
template <typename Source>
std::function<std::size_t()> rival_in(Source& source, std::size_t policies,
                                      const LiveSearch& search) {
  if (search.rival != nullptr) {
    return [&source, policies, &search] {
      return source.add(
          {{.alpha = 0, .label = search.rival_name, .family = policies}, policies, std::nullopt});
    };
  }
  if (!search.baseline_policy) return {};
  return [&source, family = *search.baseline_policy] {
    return find_candidate(source.candidates(), 0, family).value();
  };
}

/// Adds what rounding makes of each α; a rival, which follows the policies, has none.
void add_effects(const LiveSearch& search, std::size_t policies, SearchResult& result) {
  if (!search.effect) return;
  for (SearchedCandidate& each : result.candidates) {
    if (each.candidate.family < policies)
      each.rounding = search.effect(each.candidate.alpha, each.candidate.family);
  }
}

/// Searches over a source; `samples` may add to the result and makes the rows of samples.jsonl.
template <typename Source>
Json search_in_folder(const LiveRun& live, Source& source, std::size_t policies,
                      const LiveSearch& search,
                      const std::function<std::vector<Json>(SearchResult&)>& samples) {
  SearchRunOptions options = search.run;
  options.on_look = [&](const Look& look, std::size_t number, const std::vector<Candidate>& all) {
    live.folder.trace(to_json(look, number, all));
    if (search.run.on_look) search.run.on_look(look, number, all);
  };
  options.add_rival = rival_in(source, policies, search);
  options.on_collapsed = [&](const Collapsed& collapsed, const std::vector<Candidate>& all) {
    const Candidate& dropped = all.at(collapsed.candidate);
    Json line = {{"dropped", dropped.alpha}, {"label", dropped.label}};
    line.update(to_json(collapsed));
    live.folder.trace(line);
    if (search.run.on_collapsed) search.run.on_collapsed(collapsed, all);
  };
  source.make_only(search.keeps);
  SearchResult result = run_search(source, search.split, options);
  add_effects(search, policies, result);
  const Candidate& chosen = result.candidates[result.chosen].candidate;
  live.folder.trace({{"confirmed", chosen.alpha},
                     {"label", chosen.label},
                     {"prompts", result.compared_prompts},
                     {"tokens", result.tokens}});
  live.cancellation.check();
  const std::vector<Json> rows = samples(result);
  Json json = result_json(search, std::move(result));
  live.folder.put("recipe.yaml", recipe_text(recommended_recipe(json)));
  live.folder.commit(rows, json);
  return json;
}

/// Carries out a search. If it fails, scorers are still asked whether what they have said stands,
/// so that no doubtful score is left to the next run.
Json finishing(LiveScoreSource& source, const std::function<Json()>& work) {
  try {
    return work();
  } catch (...) {
    try {
      source.finish();
    } catch (const Error&) {  // The first failure is the one to tell of.
    }
    throw;
  }
}

}  // namespace

Json search_by_answers(const LiveRun& run, const std::vector<Policy>& policies,
                       std::vector<AnswerScorer*> scorers, const LiveSearch& search) {
  put_prompts(run, search);
  const bool is_judged = scorers.front()->compares();
  AnswerCache cache(run.filesystem, run.folder.file("answers.jsonl"));
  LiveScoreSource source(with_rival(policies, search), candidates_of(policies, search),
                         search.prompts, std::move(scorers), cache, search.live, run.progress,
                         run.cancellation);
  const std::size_t baseline =
      find_candidate(source.candidates(), 0, search.baseline_policy.value_or(0)).value();
  source.compare_with(baseline);
  return finishing(source, [&] {
    return search_in_folder(run, source, policies.size(), search, [&](SearchResult& result) {
      source.finish();
      if (is_judged)
        result.judged = judged_rates(source, baseline, search, result, run.cancellation);
      add_drift(run, source, cache, search, result);
      return sample_rows(source, search, result);
    });
  });
}

Json search_by_pairs(const LiveRun& run, const std::vector<Policy>& policies,
                     const LiveSearch& search) {
  put_prompts(run, search);
  PairCache cache(run.filesystem, run.folder.file("pairs.jsonl"));
  PreferenceSource source(with_rival(policies, search), candidates_of(policies, search),
                          search.pairs, cache, search.preference, run.progress, run.cancellation);
  return search_in_folder(run, source, policies.size(), search,
                          [](SearchResult&) { return std::vector<Json>{}; });
}

}  // namespace expo
