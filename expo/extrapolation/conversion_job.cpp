#include "expo/extrapolation/conversion_job.h"

#include <fmt/format.h>

#include <chrono>

#include "expo/checkpoint/output/atomic_directory.h"
#include "expo/checkpoint/safetensors/layout.h"
#include "expo/core/error.h"
#include "expo/core/version.h"
#include "expo/extrapolation/diagnosis/ties.h"
#include "expo/extrapolation/plan/plan.h"
#include "expo/extrapolation/write/output_folder.h"
#include "expo/extrapolation/write/output_place.h"
#include "expo/extrapolation/write/pipeline.h"

namespace expo {
namespace {

std::vector<OutputTensor> output_tensors(const Checkpoint& input, const Plan& plan) {
  std::vector<OutputTensor> outputs;
  for (const TensorPlan& tensor : plan.tensors) {
    const Tensor& source = input.tensors()[tensor.aligned];
    outputs.push_back({source.name, source.shape, tensor.out_type, Encoding::plain});
  }
  return outputs;
}

/// Warns of ties. They remain if the output is as wide as the input; a narrower output has none,
/// but the input still has them.
void tell_of_ties(const Checkpoint& input, const ConversionJob& job, ConversionReport& report,
                  const CancellationToken& cancellation) {
  const bool narrow = job.out_type && bit_width(*job.out_type) == 16;
  const std::optional<DType> asked = narrow ? job.out_type : std::nullopt;
  const DType type = serving_type(input, asked);
  report.ties = tie_share(input, asked, true, job.threads, cancellation);
  // Of a 16-bit type's values one in eight lies halfway between bfloat16's, in every model.
  if (type == DType::bf16 && serving_type(input, std::nullopt) == DType::f16) return;
  std::string sentence = tie_sentence(
      input.location(), report.ties, type,
      narrow ? "train from this output, not from the input"
             : fmt::format("convert with --out-dtype {} and train from that", torch_name(type)));
  if (!sentence.empty()) report.warnings.push_back(std::move(sentence));
}

}  // namespace

ConversionReport run_conversion(Filesystem& filesystem, const Environment& environment,
                                const ConversionJob& job, Progress* progress,
                                const CancellationToken& cancellation) {
  const auto start = std::chrono::steady_clock::now();
  if (OutputPlace::is_file(job.output)) {
    throw usage_error(
        job.output.string() +
        ": convert writes a safetensors folder, whose name should not end in .gguf; to get a GGUF, "
        "run llama.cpp's convert_hf_to_gguf.py on it");
  }
  const auto input = open_checkpoint(filesystem, job.input, {}, environment);
  const Plan plan = make_copy_plan(*input, job.out_type);
  const auto outputs = output_tensors(*input, plan);
  const OutputLayout layout = layout_safetensors(outputs, job.max_shard_size);

  ConversionReport report;
  report.output = job.output;
  report.format = input->format();
  report.tensors = outputs.size();
  report.dry_run = job.dry_run;
  report.warnings = input->warnings();
  for (const OutputFile& file : layout.files) {
    report.files.emplace_back(file.name, file.size);
    report.bytes_written += file.size;
  }
  AtomicDirectoryOptions destination;
  destination.overwrite = job.overwrite;
  destination.inputs = input_paths(filesystem, *input);
  check_destination(filesystem, job.output, destination);
  tell_of_ties(*input, job, report, cancellation);
  if (job.dry_run) {
    check_free_space(filesystem, job.output, report.bytes_written);
    return report;
  }
  AtomicDirectory directory(filesystem, job.output, destination);
  check_free_space(filesystem, job.output, report.bytes_written);
  PipelineOptions options;
  options.threads = job.threads;
  options.allow_overflow = job.allow_overflow;
  options.progress = progress;
  options.what = "converting";
  const PipelineResult result = run_pipeline(filesystem, nullptr, *input, plan, outputs, layout,
                                             directory.partial(), options, cancellation);
  report.input_files = result.aligned_files;
  std::uint64_t overflowed = 0;
  for (const DeltaSums& sums : result.sums) overflowed += sums.nonfinite_created;
  if (overflowed > 0) {
    report.warnings.push_back(
        fmt::format("{} finite weights became infinite in the output type", overflowed));
  }
  report.bytes_read = result.bytes_read;
  report.bytes_written = result.bytes_written;
  write_sidecars(filesystem, *input, outputs, directory.partial());
  filesystem.write_text(directory.partial() / "run.json",
                        format_json({{"expo", version()},
                                     {"command", job.command},
                                     {"inputs", {{"input", to_json(result.aligned_files)}}}}));
  write_index(filesystem, layout, directory.partial());
  cancellation.check();
  directory.commit();
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

Json to_json(const ConversionReport& report) {
  Json json = Json::object();
  json["output"] = report.output.string();
  json["format"] = report.format;
  json["tensors"] = report.tensors;
  json["bytes_read"] = report.bytes_read;
  json["bytes_written"] = report.bytes_written;
  json["seconds"] = report.seconds;
  json["dry_run"] = report.dry_run;
  json["files"] = Json::array();
  for (const auto& [name, size] : report.files)
    json["files"].push_back({{"name", name}, {"size", size}});
  json["ties"] = report.ties;
  json["inputs"] = to_json(report.input_files);
  json["warnings"] = report.warnings;
  return json;
}

}  // namespace expo
