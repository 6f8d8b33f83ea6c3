#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <iostream>
#include <memory>

#include "expo/cli/command.h"
#include "expo/cli/options/output_options.h"
#include "expo/cli/text/terminal_progress.h"
#include "expo/core/byte_size.h"
#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/extrapolation/conversion_job.h"

namespace expo {
namespace {

struct Options {
  std::string input;
  std::string place;  // OUT, as the second argument
  OutputOptions output;
};

void print(const ConversionReport& report) {
  std::uint64_t bytes = 0;
  for (const auto& [name, size] : report.files) bytes += size;
  std::cout << fmt::format("{} {} tensor{} of {} to {} ({} in {} file{})\n",
                           report.dry_run ? "would write" : "wrote", report.tensors,
                           report.tensors == 1 ? "" : "s", report.format,
                           on_one_line(report.output.string()), format_bytes(bytes),
                           report.files.size(), report.files.size() == 1 ? "" : "s");
}

void run(const Options& options, const CommandContext& context) {
  ConversionJob job;
  job.input = options.input;
  job.output = options.output.output;
  job.out_type = OutputOptions::parse_dtype(options.output.out_dtype);
  job.max_shard_size = OutputOptions::parse_shard_size(options.output.max_shard_size);
  job.threads = options.output.threads;
  job.overwrite = options.output.overwrite;
  job.dry_run = options.output.dry_run;
  job.allow_overflow = options.output.allow_overflow;
  job.command = context.command_line;
  TerminalProgress progress;
  const ConversionReport report = run_conversion(posix_filesystem(), hugging_face_environment(),
                                                 job, &progress, context.cancellation);
  print_warnings(report.warnings);
  if (options.output.json) {
    std::cout << format_json(to_json(report));
  } else {
    print(report);
  }
}

}  // namespace

std::function<void(const CommandContext&)> declare_convert(CLI::App& program) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand(
      "convert", "Write any readable checkpoint as Hugging Face safetensors");
  command
      ->add_option(
          "IN", options->input,
          "Folder, file (.safetensors, .bin, .gguf), Hugging Face id in the cache, or BASE+ADAPTER")
      ->required();
  command->add_option("OUT", options->place, "Folder to write; it appears whole or not at all");
  options->output.declare(*command, "the input's");
  options->output.declare_machine(*command);
  command->footer("Example:\n  expo convert model.gguf OUT --out-dtype bf16");
  return [options](const CommandContext& context) {
    if (!options->place.empty() && !options->output.output.empty()) {
      throw usage_error("convert: two output folders are named, " + options->place + " and " +
                        options->output.output);
    }
    if (options->output.output.empty()) options->output.output = options->place;
    if (options->output.output.empty())
      throw usage_error(
          "convert: no output folder is named; give it after the input or with -o OUT");
    run(*options, context);
  };
}

}  // namespace expo
