#pragma once

#include "expo/core/json.h"
#include "expo/training/ranks/group.h"
#include "expo/training/run/job.h"

namespace expo {

struct TrainingInputs;

/// What decides the bytes of a run's result, apart from where it is written and how often: what has
/// to be the same for a checkpoint to be gone on with.
Json run_setting(const TrainingJob& job, const TrainingInputs& inputs, const RankGroup& ranks);

/// What has to be the same on all ranks.
Json common_setting(const TrainingJob& job, const TrainingInputs& inputs, const RankGroup& ranks);

}  // namespace expo
