#pragma once

#include <c10/core/Device.h>

#include <chrono>
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
  at::Device device = at::kCPU;  ///< this rank's device
  std::string device_name;       ///< name of a GPU; two kinds of GPU round differently
  std::string command;           ///< for run.json and sessions.jsonl
  std::chrono::system_clock::time_point started = std::chrono::system_clock::now();
  /// Called on the first rank with every line of metrics.jsonl and the total number of steps.
  std::function<void(const Json&, std::int64_t total_steps)> on_metrics = {};
  /// Called on the first rank with notes on what happens before and between the steps.
  std::function<void(const std::string&)> on_note = {};
  /// Called on the first rank with every warning as soon as it is known.
  std::function<void(const std::string&)> on_warning = {};
};

struct TrainingReport {
  std::filesystem::path result;  ///< output_dir/final
  std::int64_t steps = 0;
  std::int64_t resumed_from = 0;
  ExampleCounts counts;
  ReferenceCounts references;  ///< DPO: pairs, including those of the evaluation
  Json last_metrics;
  std::optional<ServedStep> serving;  ///< set on the first rank
  std::vector<std::string> warnings;
};
Json to_json(const TrainingReport& report);

/// Trains a model and writes output_dir:
///   final/            the model, as transformers loads it; with LoRA the adapter, as PEFT loads it
///   checkpoint-N/     the same after N steps, with the state to resume from; complete or absent
///   metrics.jsonl     one line for each step and each evaluation
///   run.json          the effective configuration, the data's counts and digests
///   sessions.jsonl    when, where and by which command it ran
/// With the same configuration, kind of device, and numbers of ranks and threads, the result is the
/// same bit for bit, whether the run was interrupted and resumed or not. Throws Error: usage for
/// settings; input for model, data, and a loss or gradient that is not a number (after the last
/// good state was written as a checkpoint); environment for disk and ranks.
TrainingReport run_training(Filesystem& filesystem, const Environment& environment,
                            RankGroup& ranks, const TrainingJob& job,
                            const CancellationToken& cancellation);

}  // namespace expo
