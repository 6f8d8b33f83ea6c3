#pragma once

#include <string>

#include "expo/engine/generation_job.h"
#include "expo/engine/scoring_job.h"

namespace expo {

/// The summary of a run as text for a person.
std::string describe(const GenerationReport& report);
std::string describe(const ScoringReport& report);

}  // namespace expo
