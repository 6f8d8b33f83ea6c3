#include "expo/training/run/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/matrix/ceil_divide.h"

namespace expo {
namespace {

/// This is the rule of transformers.
bool counts_steps(const TrainingConfig& config) {
  return config.warmup_steps > 0;
}

LearningRate rate_of(const TrainingConfig& config, std::int64_t steps_per_epoch) {
  const auto rounded_up = [](double steps) { return static_cast<std::int64_t>(std::ceil(steps)); };
  LearningRate rate{config.schedule, config.learning_rate, config.warmup_steps, config.max_steps};
  if (rate.total_steps == 0)
    rate.total_steps = rounded_up(config.num_train_epochs * static_cast<double>(steps_per_epoch));
  if (!counts_steps(config))
    rate.warmup_steps = rounded_up(config.warmup_ratio * static_cast<double>(rate.total_steps));
  return rate;
}

std::string describe_warmup(const TrainingConfig& config, const TrainingSchedule& schedule) {
  const auto steps = [](std::int64_t count) {
    return counted(static_cast<std::uint64_t>(count), "step");
  };
  const std::string warmup =
      counts_steps(config) ? "warmup_steps" : fmt::format("warmup_ratio {}", config.warmup_ratio);
  const std::string total =
      config.max_steps > 0 ? "max_steps" : fmt::format("{} examples each", schedule.batch);
  return fmt::format("the warm-up of {} ({}) takes the whole run of {} ({})",
                     steps(schedule.rate.warmup_steps), warmup, steps(schedule.rate.total_steps),
                     total);
}

std::string remedy(const TrainingConfig& config) {
  std::string text =
      counts_steps(config) ? "a lower warmup_steps shortens it" : "warmup_ratio 0 leaves it out";
  if (config.max_steps == 0 && config.gradient_accumulation_steps > 1)
    text += ", a lower gradient_accumulation_steps makes more steps";
  return text;
}

/// A run whose warm-up takes all its steps ends where it started, or close to it.
void check_warmup(const TrainingConfig& config, TrainingSchedule& schedule) {
  const LearningRate& rate = schedule.rate;
  double highest = 0;
  for (std::int64_t step = 0; step < rate.total_steps && highest < rate.peak; ++step)
    highest = std::max(highest, rate.at(step));
  if (highest == rate.peak) return;
  const std::string what = describe_warmup(config, schedule);
  if (highest == 0) {
    throw usage_error(
        fmt::format("train: {}, so nothing would be learned; {}", what, remedy(config)));
  }
  schedule.warning = fmt::format("{}: the learning rate does not exceed {:.3g}; {}", what, highest,
                                 remedy(config));
}

}  // namespace

TrainingSchedule make_schedule(const TrainingConfig& config, std::int64_t examples, int ranks) {
  TrainingSchedule schedule;
  schedule.batch = config.per_device_train_batch_size * config.gradient_accumulation_steps * ranks;
  schedule.steps_per_epoch = ceil_divide(examples, schedule.batch);
  schedule.rate = rate_of(config, schedule.steps_per_epoch);
  check_warmup(config, schedule);
  return schedule;
}

}  // namespace expo
