#pragma once

#include "expo/core/json.h"
#include "expo/training/ranks/group.h"
#include "expo/training/run/job.h"

namespace expo {

struct TrainingInputs;

/// Everything that determines the bytes of a run's result, except where and how often it is
/// written. It must be the same for a run to be resumed from a checkpoint.
Json run_setting(const TrainingJob& job, const TrainingInputs& inputs, const RankGroup& ranks);

/// Everything that must be the same on all ranks.
Json common_setting(const TrainingJob& job, const TrainingInputs& inputs, const RankGroup& ranks);

}  // namespace expo
