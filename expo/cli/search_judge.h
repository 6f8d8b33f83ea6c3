#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "expo/cli/options/judge_options.h"
#include "expo/search/live/answer_scorer.h"

namespace expo {

/// What opens the judge of a search in the folder `run`, which keeps its replies there unless the
/// options name another file. It throws what ServedChatModel and the options throw.
std::function<std::unique_ptr<AnswerScorer>()> judge_opener(const JudgeServerOptions& options,
                                                            const std::filesystem::path& run);

}  // namespace expo
