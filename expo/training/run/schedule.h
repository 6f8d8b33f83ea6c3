#pragma once

#include <cstdint>
#include <string>

#include "expo/training/config/learning_rate.h"
#include "expo/training/config/training_config.h"

namespace expo {

/// How the rows of a run become steps.
struct TrainingSchedule {
  std::int64_t batch = 0;  ///< examples of a step, on all ranks together
  std::int64_t steps_per_epoch = 0;
  LearningRate rate;
  std::string warning;  ///< where the warm-up leaves less than the learning rate asks for
};

/// Throws Error(usage) where the warm-up takes every step, so that nothing would be learnt.
TrainingSchedule make_schedule(const TrainingConfig& config, std::int64_t examples, int ranks);

}  // namespace expo
