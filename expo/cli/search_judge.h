#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "expo/cli/options/judge_options.h"
#include "expo/search/live/answer_scorer.h"
#include "expo/search/run/live_search.h"

namespace expo {

/// What opens the judge of a search in the folder `run`, which keeps its replies there unless the
/// options name another file. It throws what ServedChatModel and the options throw.
std::function<std::unique_ptr<AnswerScorer>()> judge_opener(const JudgeServerOptions& options,
                                                            const std::filesystem::path& run);

/// A note on what the judge of such a search will cost, likely and at most. Throws what the options
/// throw.
std::string judge_costs(const JudgeServerOptions& options, const LiveSearch& search);

}  // namespace expo
