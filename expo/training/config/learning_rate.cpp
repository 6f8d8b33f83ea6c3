#include "expo/training/config/learning_rate.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace expo {

double LearningRate::at(std::int64_t step) const {
  if (kind == ScheduleKind::constant) return peak;
  if (step < warmup_steps)
    return peak * static_cast<double>(step) / static_cast<double>(warmup_steps);
  if (kind == ScheduleKind::constant_with_warmup) return peak;
  const auto length = static_cast<double>(std::max<std::int64_t>(total_steps - warmup_steps, 1));
  const double progress = static_cast<double>(step - warmup_steps) / length;
  if (kind == ScheduleKind::linear) return peak * std::max(0.0, 1 - progress);
  return peak * std::max(0.0, 0.5 * (1 + std::cos(std::numbers::pi * progress)));
}

}  // namespace expo
