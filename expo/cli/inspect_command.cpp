#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "expo/checkpoint/open/open_checkpoint.h"
#include "expo/cli/arguments/help_sections.h"
#include "expo/cli/command.h"
#include "expo/cli/options/output_options.h"
#include "expo/cli/text/inspect_json.h"
#include "expo/cli/text/inspect_text.h"
#include "expo/cli/text/terminal_progress.h"
#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/extrapolation/diagnosis/model_files.h"
#include "expo/extrapolation/diagnosis/pair_files.h"
#include "expo/extrapolation/diagnosis/spectrum.h"
#include "expo/extrapolation/diagnosis/ties.h"

namespace expo {
namespace {

struct Options {
  std::string first;
  std::string second;
  std::string out_dtype;
  unsigned threads = 0;
  bool check = false;
  bool quick = false;
  bool spectrum = false;
  bool tensors = false;
  bool json = false;
};

void print(const Options& options, const Json& json, const std::string& text) {
  std::cout << (options.json ? format_json(json) : escape_controls(text));
}

void check(const Checkpoint& checkpoint, unsigned threads, CheckpointSummary& summary,
           const CancellationToken& cancellation) {
  TerminalProgress progress;
  summary.health = check_values(checkpoint, {threads, &progress}, cancellation);
  const DType type = serving_type(checkpoint, std::nullopt);
  const std::string sentence =
      tie_sentence(checkpoint.location(), tie_share(summary), type,
                   fmt::format("convert it first (expo convert --out-dtype {}) and train from the "
                               "result",
                               torch_name(type)));
  if (!sentence.empty()) summary.warnings.push_back(sentence);
}

void inspect_one(const Options& options, const CommandContext& context) {
  if (options.quick || options.spectrum || !options.out_dtype.empty()) {
    throw usage_error(
        "inspect: --quick, --spectrum and --out-dtype need a second checkpoint to compare with");
  }
  const auto checkpoint =
      open_checkpoint(posix_filesystem(), options.first, {}, hugging_face_environment());
  CheckpointSummary summary = summarise(posix_filesystem(), *checkpoint);
  if (options.check) check(*checkpoint, options.threads, summary, context.cancellation);
  print_warnings(summary.warnings);
  print(options, checkpoint_json(*checkpoint, summary, options.check),
        describe_checkpoint(*checkpoint, summary, options.check, options.tensors));
}

void inspect_two(const Options& options, const CommandContext& context) {
  if (options.check)
    throw usage_error(
        "inspect: a comparison reads every value anyway; --check is for one checkpoint");
  if (options.quick && options.spectrum)
    throw usage_error("inspect: a sample has no spectrum; leave out --quick or --spectrum");
  Filesystem& filesystem = posix_filesystem();
  const Environment environment = hugging_face_environment();
  const auto sft = open_checkpoint(filesystem, options.first, {}, environment);
  OpenOptions over_sft;
  over_sft.adapter_base = sft;
  const auto aligned = open_checkpoint(filesystem, options.second, over_sft, environment);
  TerminalProgress progress;
  DiagnosisOptions diagnosis_options;
  diagnosis_options.sample = options.quick;
  diagnosis_options.out_type = OutputOptions::parse_dtype(options.out_dtype);
  diagnosis_options.threads = options.threads;
  diagnosis_options.progress = &progress;
  Diagnosis diagnosis = diagnose(*sft, *aligned, diagnosis_options, context.cancellation);
  if (options.spectrum) {
    add_spectra(*sft, *aligned, diagnosis, {.threads = options.threads, .progress = &progress},
                context.cancellation);
  }
  for (std::string& warning : file_warnings(filesystem, *sft, *aligned))
    diagnosis.warnings.push_back(std::move(warning));
  const Verdict verdict = judge(diagnosis, pair_facts(filesystem, *sft, *aligned));
  print_warnings(diagnosis.warnings);
  print(options, pair_json(*sft, *aligned, diagnosis, verdict),
        describe_pair(*sft, *aligned, diagnosis, verdict, options.tensors));
}

}  // namespace

std::function<void(const CommandContext&)> declare_inspect(CLI::App& program) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand(
      "inspect",
      "Show what is in a checkpoint, or how two differ and whether ExPO may work on them");
  command
      ->add_option(
          "A", options->first,
          "A checkpoint: a folder, a file, a Hugging Face id in the cache, or BASE+ADAPTER")
      ->required();
  command->add_option("B", options->second,
                      "The model trained from A; may be a PEFT LoRA adapter over A");
  command->option_defaults()->group(help_section::kInputAndOutput);
  command->add_flag("--check", options->check,
                    "Read every value of one checkpoint and report NaN, infinities and zeros");
  command->add_flag(
      "--quick", options->quick,
      "Estimate from a sample of about a sixteenth of the values, without a full check");
  command->add_flag(
      "--spectrum", options->spectrum,
      "Find the singular values of the change of each matrix too, which takes about 20 seconds of "
      "one core for 0.135 billion parameters, and hours for 7 billion");
  command->add_flag("--tensors", options->tensors, "Print a line for every tensor");
  command->add_flag("--json", options->json, "Print the result as one JSON object");
  command
      ->add_option("--out-dtype", options->out_dtype,
                   "Type to report rounding losses for: bf16, f16, f32 or f64; default: B's types")
      ->type_name("TYPE");
  command->option_defaults()->group(help_section::kMachine);
  command
      ->add_option("--threads", options->threads,
                   "Number of threads; default: one for each processor")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
  command->footer("Example:\n  expo inspect SFT ALIGNED");
  return [options](const CommandContext& context) {
    if (options->second.empty()) {
      inspect_one(*options, context);
    } else {
      inspect_two(*options, context);
    }
  };
}

}  // namespace expo
