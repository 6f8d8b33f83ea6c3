#include "expo/training/run/job.h"

#include <fmt/format.h>

#include "expo/core/error.h"
#include "expo/extrapolation/write/output_folder.h"
#include "expo/training/ranks/torch_failure.h"
#include "expo/training/run/training_run.h"

namespace expo {
namespace {

/// The files that a run reads and must not overwrite.
std::vector<std::filesystem::path> paths_read(Filesystem& filesystem,
                                              const Environment& environment,
                                              const TrainingConfig& config,
                                              const Checkpoint& model) {
  std::vector<std::filesystem::path> paths;
  const auto add = [&](const Checkpoint& checkpoint) {
    for (auto& path : input_paths(filesystem, checkpoint)) paths.push_back(std::move(path));
  };
  add(model);
  if (!config.ref_model_name_or_path.empty())
    add(*open_checkpoint(filesystem, config.ref_model_name_or_path, {}, environment));
  for (const std::string& path :
       {config.dataset_name, config.eval_dataset_name, config.chat_template_path}) {
    if (!path.empty() && filesystem.exists(path)) paths.emplace_back(path);
  }
  return paths;
}

std::uint64_t bytes_of_result(const TrainingConfig& config, const Checkpoint& model) {
  std::uint64_t elements = 0;
  for (const Tensor& tensor : model.tensors()) elements += tensor.elements();
  return byte_size(config.save_dtype, elements).value_or(0);
}

TrainingReport run(Filesystem& filesystem, const Environment& environment, RankGroup& ranks,
                   const TrainingJob& job, const CancellationToken& cancellation) {
  check(job.config);
  std::unique_ptr<RunFolder> folder;
  if (ranks.rank() == 0) {
    const auto model = open_checkpoint(filesystem, job.config.model_name_or_path, {}, environment);
    folder = std::make_unique<RunFolder>(filesystem, job.config,
                                         paths_read(filesystem, environment, job.config, *model));
    // Checks for the room of the result at least, before hours of preparation; the run itself
    // checks for all it needs.
    if (!job.config.use_peft) folder->check_room(bytes_of_result(job.config, *model));
  }
  ranks.barrier();
  TrainingInputs inputs = read_inputs(filesystem, environment, ranks, job, cancellation);
  return TrainingRun(filesystem, ranks, job, inputs, folder.get(), cancellation).run();
}

}  // namespace

Json to_json(const TrainingReport& report) {
  return {
      {"result", report.result.string()},
      {"steps", report.steps},
      {"resumed_from", report.resumed_from},
      {"data", to_json(report.counts)},
      {"references", {{"kept", report.references.kept}, {"computed", report.references.computed}}},
      {"metrics", report.last_metrics},
      {"serving", report.serving ? to_json(*report.serving) : Json()},
      {"warnings", report.warnings}};
}

TrainingReport run_training(Filesystem& filesystem, const Environment& environment,
                            RankGroup& ranks, const TrainingJob& job,
                            const CancellationToken& cancellation) {
  try {
    return run(filesystem, environment, ranks, job, cancellation);
  } catch (const c10::Error& error) {
    throw describe_failure(error);
  }
}

}  // namespace expo
