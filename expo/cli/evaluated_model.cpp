#include "expo/cli/evaluated_model.h"

#include <algorithm>
#include <iostream>
#include <iterator>

#include "expo/cli/options/output_options.h"
#include "expo/cli/text/run_text.h"
#include "expo/cli/text/terminal_progress.h"
#include "expo/core/text.h"
#include "expo/text/prompts.h"

namespace expo {
namespace {

/// The column by which answers are joined with the baseline's, which may have a prompt beside it;
/// empty: the usual one.
std::string joining_column(const std::filesystem::path& reference) {
  Json row;
  const bool has_one = open_rows(posix_filesystem(), reference)->next(row);
  return has_one && row.contains("instruction") ? "instruction" : "";
}

}  // namespace

EvaluatedModel::EvaluatedModel() {
  model.name = "--model";
  model.server.prefix = "--model-";
}

void EvaluatedModel::declare(CLI::App& command) {
  model.declare(command,
                "Model to answer the instructions of --reference-outputs first: a checkpoint, or "
                "vllm=URL, llama-server=URL or openai=URL");
  model.server.declare_sampling(command);
  extrapolation.declare(command);
  answering.declare(command, {.samples = "", .seed = "--answer-seed"});
}

void EvaluatedModel::check_unused(const GivenOptions& given) const {
  const std::string why = "without --model, which answers the instructions";
  refuse_given(given,
               {"--aligned",
                "--system",
                "--chat-template",
                "--no-chat-template",
                "--template-variable",
                "--sft",
                "--alpha",
                "--gamma",
                "--alpha-for",
                "--rounding",
                "--rounding-seed",
                "--on-mismatch",
                "--temperature",
                "--max-new-tokens",
                "--answer-seed",
                "--top-p",
                "--top-k",
                "--min-p",
                "--presence-penalty",
                "--frequency-penalty",
                "--repetition-penalty",
                "--stop",
                "--stop-token-id",
                "--ignore-eos",
                "--cache-size",
                "--allow-other-sampling"},
               why);
  model.server.check_unused(given, why);
  StagingOptions::check_unused(given, why);
}

EngineSpec EvaluatedModel::spec(const MachineOptions& machine, const GivenOptions& given) const {
  MachineOptions wide = machine;
  if (!given.contain("--batch-size")) wide.batch_size = MachineOptions().batch_size;
  return model.spec(extrapolation, wide, given);
}

GenerationJob EvaluatedModel::job(const std::filesystem::path& output,
                                  const std::filesystem::path& reference,
                                  const std::string& generator, bool replace_others) const {
  GenerationJob job;
  job.output.file = output;
  job.output.as_array = lower_case(output.extension().string()) == ".json";
  job.output.resume = true;
  job.output.replace_others = replace_others;
  job.output.replaces_own_only = true;
  job.output.to_resume = "the same command goes on from there";
  job.output.inputs = {reference};
  job.format = AnswerFormat::alpaca;
  job.generator = generator.empty() ? model.generator(model.schedule(extrapolation)) : generator;
  job.system = model.system;
  job.answer = answering.answer();
  check(job);
  return job;
}

GenerationReport EvaluatedModel::answer(const GenerationJob& job,
                                        const std::filesystem::path& reference,
                                        const EngineSpec& spec,
                                        const CommandContext& context) const {
  const auto rows = open_rows(posix_filesystem(), reference);
  const std::vector<Prompt> prompts = read_prompts(*rows, {.prompt = joining_column(reference)});
  const auto engine = context.open_engine(spec, model.schedule(extrapolation));
  TerminalRowProgress progress;
  GenerationReport report = run_generation(
      posix_filesystem(), *engine, prompts, job, [](const Json&) {}, &progress,
      context.cancellation);
  std::ranges::move(row_warnings(*rows), std::back_inserter(report.warnings));
  print_warnings(report.warnings);
  std::cerr << describe(report);
  return report;
}

}  // namespace expo
