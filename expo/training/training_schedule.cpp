#include "expo/training/training_schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "expo/core/ceil_divide.h"
#include "expo/core/error.h"
#include "expo/core/text.h"

namespace expo {
namespace {

LearningRate rate_of(const TrainingConfig& config, std::int64_t steps_per_epoch) {
  const auto rounded_up = [](double steps) { return static_cast<std::int64_t>(std::ceil(steps)); };
  LearningRate rate{config.schedule, config.learning_rate, config.warmup_steps, config.max_steps};
  if (rate.total_steps == 0)
    rate.total_steps = rounded_up(config.num_train_epochs * static_cast<double>(steps_per_epoch));
  if (rate.warmup_steps == 0)
    rate.warmup_steps = rounded_up(config.warmup_ratio * static_cast<double>(rate.total_steps));
  return rate;
}

/// A run whose warm-up takes all its steps ends where it began, or close by.
void check_warmup(TrainingSchedule& schedule) {
  const LearningRate& rate = schedule.rate;
  double highest = 0;
  for (std::int64_t step = 0; step < rate.total_steps && highest < rate.peak; ++step)
    highest = std::max(highest, rate.at(step));
  if (highest == rate.peak) return;
  const std::string what =
      fmt::format("the warm-up of {} takes all of the {}, which the rows make up {} at a time",
                  counted(static_cast<std::uint64_t>(rate.warmup_steps), "step"),
                  counted(static_cast<std::uint64_t>(rate.total_steps), "step"), schedule.batch);
  constexpr const char* kRemedy =
      "a lower gradient_accumulation_steps makes more steps, warmup_ratio 0 leaves it out";
  if (highest == 0)
    throw usage_error(fmt::format("train: {}, so that nothing would be learnt; {}", what, kRemedy));
  schedule.warning =
      fmt::format("{}: the learning rate comes no further than {:.3g}; {}", what, highest, kRemedy);
}

}  // namespace

TrainingSchedule make_schedule(const TrainingConfig& config, std::int64_t examples, int ranks) {
  TrainingSchedule schedule;
  schedule.batch = config.per_device_train_batch_size * config.gradient_accumulation_steps * ranks;
  schedule.steps_per_epoch = ceil_divide(examples, schedule.batch);
  schedule.rate = rate_of(config, schedule.steps_per_epoch);
  check_warmup(schedule);
  return schedule;
}

}  // namespace expo
