#include "expo/training/training_job.h"

#include <fmt/format.h>

#include "expo/core/error.h"
#include "expo/training/training_run.h"

namespace expo {
namespace {

/// An output folder of an earlier run is gone on with, or removed, only when it is asked for.
void prepare_output(Filesystem& filesystem, const TrainingConfig& config) {
  const std::filesystem::path output = config.output_dir;
  const bool used = filesystem.is_directory(output) && filesystem.exists(output / "run.json");
  if (config.overwrite_output_dir) {
    for (const auto& [step, folder] : list_run_checkpoints(filesystem, output))
      filesystem.remove(folder);
    for (const char* name : {"final", "run.json", "metrics.jsonl"})
      filesystem.remove(output / name);
  } else if (used && !config.resume) {
    throw usage_error(
        fmt::format("{}: holds a training run; go on with it with --resume, or replace it with "
                    "--overwrite-output-dir",
                    config.output_dir));
  } else if (!used && !config.resume && filesystem.is_directory(output) &&
             !filesystem.list(output).empty()) {
    for (const std::string& name : filesystem.list(output)) {
      if (name.starts_with("reference-log-probs-")) continue;
      throw usage_error(fmt::format("{}: is a folder with something else in it ({}); name another",
                                    config.output_dir, name));
    }
  }
  filesystem.create_directory(output);
}

}  // namespace

Json to_json(const TrainingReport& report) {
  return {{"result", report.result.string()},
          {"steps", report.steps},
          {"resumed_from", report.resumed_from},
          {"data", to_json(report.counts)},
          {"references_from_cache", report.references_from_cache},
          {"metrics", report.last_metrics},
          {"warnings", report.warnings}};
}

TrainingReport run_training(Filesystem& filesystem, const Environment& environment,
                            RankGroup& ranks, const TrainingJob& job,
                            const CancellationToken& cancellation) {
  check(job.config);
  if (ranks.rank() == 0) prepare_output(filesystem, job.config);
  ranks.barrier();
  TrainingInputs inputs = read_inputs(filesystem, environment, ranks, job, cancellation);
  return TrainingRun(filesystem, ranks, job, inputs, cancellation).run();
}

}  // namespace expo
