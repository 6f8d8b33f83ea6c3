#pragma once

#include <string>

#include "expo/engine/generation_job.h"
#include "expo/engine/scoring_job.h"

namespace expo {

/// The summary of a run as a person reads it.
std::string describe(const GenerationReport& report);
std::string describe(const ScoringReport& report);

}  // namespace expo
