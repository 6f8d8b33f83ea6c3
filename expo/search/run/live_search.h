#pragma once

#include <functional>
#include <string>
#include <vector>

#include "expo/core/disk/filesystem.h"
#include "expo/core/progress.h"
#include "expo/search/live/answer_scorer.h"
#include "expo/search/live/live_source.h"
#include "expo/search/live/preference_source.h"
#include "expo/search/run/rounding_effects.h"
#include "expo/search/run/search_folder.h"
#include "expo/search/run/search_run.h"

namespace expo {

/// A search over a running pair, by its answers to prompts or by preference pairs.
struct LiveSearch {
  std::vector<Prompt> prompts;    ///< that fit the model, no two alike
  std::vector<Preference> pairs;  ///< instead of prompts
  PromptSplit split;              ///< of either
  std::vector<double> alphas;     ///< of each policy, with 0, and −1, which is only asked once
  LiveOptions live;               ///< of answers, and the names of further objectives
  /// What rounding makes of an α of a policy, for search.json. Not set: that is not known.
  std::function<RoundingEffect(double alpha, std::size_t policy)> effect = {};
  /// Whether rounding keeps an α; a race tries no other beside `alphas`. Not set: all are kept.
  std::function<bool(double alpha, std::size_t policy)> keeps = {};
  Engine* rival = nullptr;  ///< to compare the chosen α with instead of α = 0, as it is
  std::string rival_name;
  std::optional<std::size_t> baseline_policy;  ///< instead of a rival: that policy at α = 0
  PreferenceOptions preference;                ///< of pairs
  SearchRunOptions run;
  /// What search.json says beside the result, as an object: models, objective, setting.
  Json facts = Json::object();
  std::vector<std::string> warnings = {};  ///< of models and data, to stand before the result's own
};

/// Where the searches of this header take place, and what they are told.
struct LiveRun {
  Filesystem& filesystem;
  SearchFolder& folder;  ///< that has begun
  RowProgress* progress;
  const CancellationToken& cancellation;
};

/// Carries out a search by answers in a folder, and finishes it; returns what search.json holds.
/// Its prompts are put into prompts.jsonl first. All answers are kept in the folder as soon as they
/// are there, so that the same call after an interruption goes on from them and comes to the same
/// end. The policies can move to any α, and compete; the first one at α = 0 is the baseline, and at
/// α = −1 the control, as all of them have one SFT checkpoint. The first scorer decides; the others
/// are shown under the names of `search.live.further`. Throws what engines and scorers throw.
Json search_by_answers(const LiveRun& run, const std::vector<Policy>& policies,
                       std::vector<AnswerScorer*> scorers, const LiveSearch& search);

/// The same by preference pairs, for which nothing is generated.
Json search_by_pairs(const LiveRun& run, const std::vector<Policy>& policies,
                     const LiveSearch& search);

}  // namespace expo
