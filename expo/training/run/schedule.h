#pragma once

#include <cstdint>
#include <string>

#include "expo/training/config/learning_rate.h"
#include "expo/training/config/training_config.h"

namespace expo {

/// How the rows of a run are divided into steps.
struct TrainingSchedule {
  std::int64_t batch = 0;  ///< examples per step, on all ranks together
  std::int64_t steps_per_epoch = 0;
  LearningRate rate;
  std::string warning;  ///< set if the peak learning rate is never reached
};

/// Throws Error(usage) if the warm-up takes every step, so that nothing would be learned.
TrainingSchedule make_schedule(const TrainingConfig& config, std::int64_t examples, int ranks);

}  // namespace expo
