#include "expo/extrapolation/adapter_job.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>

#include "expo/checkpoint/lora/adapter.h"
#include "expo/checkpoint/lora/scaling.h"
#include "expo/checkpoint/open/model_reference.h"
#include "expo/checkpoint/output/atomic_directory.h"
#include "expo/core/error.h"
#include "expo/core/version.h"
#include "expo/extrapolation/write/output_folder.h"
#include "expo/extrapolation/write/output_place.h"

namespace expo {
namespace {

namespace fs = std::filesystem;

/// Returns the adapter's folder; checks that SFT is its base.
fs::path adapter_folder(Filesystem& filesystem, const Environment& environment,
                        const ExtrapolationJob& job) {
  const auto parts = split_reference(filesystem, job.aligned);
  const fs::path folder = locate_model(filesystem, parts.back(), environment).path;
  if (!is_adapter_folder(filesystem, folder)) {
    throw usage_error("--as-adapter: " + folder.string() +
                      " is not a PEFT adapter (it has no adapter_config.json)");
  }
  const bool over_sft =
      parts.size() == 1 ||
      (parts.size() == 2 &&
       filesystem.canonical(locate_model(filesystem, parts.front(), environment).path) ==
           filesystem.canonical(locate_model(filesystem, job.sft, environment).path));
  if (!over_sft) {
    throw usage_error(
        "--as-adapter: a scaled adapter amounts to θ_sft + (1 + α)·s·B·A only if the adapter was "
        "trained over SFT itself; give the adapter alone, or with SFT as its base");
  }
  return folder;
}

void refuse_other_settings(const ExtrapolationJob& job) {
  if (!job.alpha.uniform())
    throw usage_error("--as-adapter scales the adapter as a whole; give one α and no --alpha-for");
  if (OutputPlace::is_file(job.output))
    throw usage_error(
        "--as-adapter writes the folder of a PEFT adapter; give a name without .gguf");
  const ExtrapolationJob untouched;
  const bool rounds_as_it_must =
      job.rounding == RoundingChoice::automatic || job.rounding == RoundingChoice::nearest;
  if (job.out_type || job.q8_0 || !rounds_as_it_must || job.seed != 0 || job.resume ||
      job.allow_overflow || job.on_mismatch != untouched.on_mismatch ||
      job.max_shard_size != untouched.max_shard_size || job.threads != 0) {
    throw usage_error(
        "--as-adapter scales the adapter's own matrices, in their type and rounded to nearest: "
        "--out-dtype, --rounding stochastic, --like-original, --seed, --on-mismatch, "
        "--max-shard-size, --threads, --allow-overflow and --resume have no effect; leave them "
        "out");
  }
}

Json run_record(const ExtrapolationJob& job) {
  return {
      {"expo", version()},
      {"command", job.command},
      {"settings", {{"sft", job.sft}, {"adapter", job.aligned}, {"alpha", *job.alpha.uniform()}}}};
}

}  // namespace

ExtrapolationReport run_adapter_extrapolation(Filesystem& filesystem,
                                              const Environment& environment,
                                              const ExtrapolationJob& job,
                                              const CancellationToken& cancellation) {
  const auto start = std::chrono::steady_clock::now();
  refuse_other_settings(job);
  const fs::path folder = adapter_folder(filesystem, environment, job);
  // Opening the merged checkpoint checks that the adapter fits SFT.
  OpenOptions options;
  options.adapter_base = open_checkpoint(filesystem, job.sft, {}, environment);
  const auto merged = open_checkpoint(filesystem, folder.string(), options, environment);
  const auto files = scale_adapter(filesystem, folder, *job.alpha.uniform());
  cancellation.check();

  ExtrapolationReport report;
  report.output = job.output;
  report.alpha = job.alpha.description();
  report.asked_alpha = *job.alpha.uniform();
  report.tensors = merged->tensors().size();
  report.warnings = merged->warnings();
  report.dry_run = job.dry_run;
  report.threads = 1;
  report.free_bytes = filesystem.free_bytes(job.output);
  for (const auto& [name, content] : files) {
    report.files.emplace_back(name, content.size());
    report.bytes_written += content.size();
  }
  report.bytes_read = report.bytes_written;
  AtomicDirectoryOptions destination;
  destination.overwrite = job.overwrite;
  destination.inputs = {folder};
  for (const auto& path : input_paths(filesystem, *options.adapter_base))
    destination.inputs.push_back(path);
  if (job.dry_run) {
    check_destination(filesystem, job.output, destination);
    return report;
  }
  AtomicDirectory directory(filesystem, job.output, destination);
  for (const auto& [name, content] : files) {
    const fs::path path = directory.partial() / name;
    filesystem.create_directory(path.parent_path());
    filesystem.write_text(path, content);
  }
  filesystem.write_text(directory.partial() / "run.json", format_json(run_record(job)));
  directory.commit();
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace expo
