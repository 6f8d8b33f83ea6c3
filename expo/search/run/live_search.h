#pragma once

#include <vector>

#include "expo/core/disk/filesystem.h"
#include "expo/core/progress.h"
#include "expo/search/live/answer_scorer.h"
#include "expo/search/live/live_source.h"
#include "expo/search/run/search_folder.h"
#include "expo/search/run/search_run.h"

namespace expo {

/// A search over answers of a running pair.
struct LiveSearch {
  std::vector<Prompt> prompts;  ///< that fit the model, no two alike
  PromptSplit split;            ///< of these
  std::vector<double> alphas;   ///< with 0 and −1
  LiveOptions live;
  SearchRunOptions run;
  /// What search.json says beside the result, as an object: models, objective, setting.
  Json facts = Json::object();
  std::vector<std::string> warnings = {};  ///< of models and data, to stand before the result's own
};

/// Carries out the search in a folder that has begun, and finishes it; returns what search.json
/// holds. All answers are kept in the folder as soon as they are there, so that the same call after
/// an interruption goes on from them and comes to the same end. `policy` can move to any α. Throws
/// what the engine and the scorer throw.
Json run_live_search(Filesystem& filesystem, SearchFolder& folder, Engine& policy,
                     AnswerScorer& scorer, const LiveSearch& search, RowProgress* progress,
                     const CancellationToken& cancellation);

}  // namespace expo
