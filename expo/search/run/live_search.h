#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "expo/core/disk/filesystem.h"
#include "expo/core/progress.h"
#include "expo/search/live/answer_scorer.h"
#include "expo/search/live/live_source.h"
#include "expo/search/live/preference_source.h"
#include "expo/search/run/search_folder.h"
#include "expo/search/run/search_run.h"

namespace expo {

/// A search over a running pair, by its answers to prompts or by preference pairs.
struct LiveSearch {
  std::vector<Prompt> prompts;    ///< that fit the model, no two alike
  std::vector<Preference> pairs;  ///< instead of prompts
  PromptSplit split;              ///< of either
  std::vector<double> alphas;     ///< with 0 and −1
  LiveOptions live;               ///< of answers
  /// Those of `alphas` that rounding bends, with their effects.
  std::map<double, double> effective = {};
  /// Whether rounding keeps an α between those; a race tries no other. Not set: all are kept.
  std::function<bool(double alpha)> keeps = {};
  Engine* rival = nullptr;  ///< to compare the chosen α with instead of α = 0, as it is
  std::string rival_name;
  PreferenceOptions preference;  ///< of pairs
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
/// All answers are kept in the folder as soon as they are there, so that the same call after an
/// interruption goes on from them and comes to the same end. `policy` can move to any α. Throws
/// what the engine and the scorer throw.
Json search_by_answers(const LiveRun& run, Engine& policy, AnswerScorer& scorer,
                       const LiveSearch& search);

/// The same by preference pairs, for which nothing is generated.
Json search_by_pairs(const LiveRun& run, Engine& policy, const LiveSearch& search);

}  // namespace expo
