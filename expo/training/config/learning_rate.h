#pragma once

#include <cstdint>

namespace expo {

enum class ScheduleKind { cosine, linear, constant, constant_with_warmup };

/// The learning rate of each step, scheduled as in transformers: a linear warm-up that begins at
/// zero, then half a cosine or a line down to zero.
struct LearningRate {
  ScheduleKind kind = ScheduleKind::cosine;
  double peak = 0;
  std::int64_t warmup_steps = 0;
  std::int64_t total_steps = 0;

  double at(std::int64_t step) const;  ///< for step 0, 1, … total_steps − 1
};

}  // namespace expo
