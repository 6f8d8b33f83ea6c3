#pragma once

#include <c10/core/Device.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "expo/checkpoint/open/open_checkpoint.h"
#include "expo/core/disk/filesystem.h"
#include "expo/core/progress.h"
#include "expo/training/config/training_config.h"
#include "expo/training/data/example_set.h"
#include "expo/training/ranks/group.h"
#include "expo/training/run/reference_log_probs.h"
#include "expo/training/run/served_step.h"

namespace expo {

struct TrainingJob {
  TrainingConfig config;
  at::Device device = at::kCPU;  ///< this rank's
  std::string device_name;       ///< of a GPU; two kinds of GPU round differently
  std::string command;           ///< for run.json
  /// Told of every line of metrics.jsonl, on the first rank, and how many steps there will be.
  std::function<void(const Json&, std::int64_t total_steps)> on_metrics = {};
  /// Told of what goes on before and between the steps, on the first rank.
  std::function<void(const std::string&)> on_note = {};
  /// Told of every warning as soon as it is known, on the first rank.
  std::function<void(const std::string&)> on_warning = {};
};

struct TrainingReport {
  std::filesystem::path result;  ///< output_dir/final
  std::int64_t steps = 0;
  std::int64_t resumed_from = 0;
  ExampleCounts counts;
  ReferenceCounts references;  ///< DPO: pairs, those of the evaluation too
  Json last_metrics;
  std::optional<ServedStep> serving;  ///< on the first rank
  std::vector<std::string> warnings;
};
Json to_json(const TrainingReport& report);

/// Trains a model and writes output_dir:
///   final/            the model, as transformers loads it; with LoRA the adapter, as PEFT loads it
///   checkpoint-N/     the same after N steps, with the state to go on from; whole or not at all
///   metrics.jsonl     a line for each step and each evaluation
///   run.json          the effective configuration, the data's counts and digests
/// With the same configuration, kind of device, ranks and threads the result is the same bit for
/// bit, interrupted and resumed or not. Throws Error: usage for settings, input for model, data and
/// for a loss or gradient that is not a number (after the last good state was written as a
/// checkpoint), environment for disk and ranks.
TrainingReport run_training(Filesystem& filesystem, const Environment& environment,
                            RankGroup& ranks, const TrainingJob& job,
                            const CancellationToken& cancellation);

}  // namespace expo
