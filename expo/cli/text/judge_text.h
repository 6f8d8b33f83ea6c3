#pragma once

#include <string>

#include "expo/core/json.h"
#include "expo/evaluation/judge/cost_forecast.h"
#include "expo/evaluation/judge/judge.h"

namespace expo {

/// A sentence: what a judge is to be asked, and what that would cost.
std::string describe(const JudgeEstimate& estimate);
Json to_json(const JudgeEstimate& estimate);
/// A sentence: what the judge of a search is to be asked, and what that would cost, where answers
/// are likely a quarter as long as they may be.
std::string describe(const CostForecast& forecast);

/// A sentence: where the preferences come from, and what those of this run cost.
std::string describe(const JudgeResult& result);
/// The same by number: asked, cached, reused, same_answers, failed; requests, tokens and cost.
Json to_json(const JudgeResult& result);

}  // namespace expo
