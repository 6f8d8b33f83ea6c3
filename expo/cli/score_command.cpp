#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <iterator>
#include <memory>

#include "expo/cli/arguments/help_sections.h"
#include "expo/cli/command.h"
#include "expo/cli/options/model_options.h"
#include "expo/cli/options/output_options.h"
#include "expo/cli/options/row_options.h"
#include "expo/cli/text/run_text.h"
#include "expo/cli/text/terminal_progress.h"
#include "expo/core/error.h"
#include "expo/engine/scoring_job.h"

namespace expo {
namespace {

struct Options {
  ModelOptions model;
  RowOptions rows;
  std::string answer_column;
  std::string chosen_column;
  std::string rejected_column;
  std::string reward_column;
  bool log_probs = false;
  ExtrapolationOptions extrapolation;
  MachineOptions machine{.batch_size = ScoringJob().batch_size};
};

ScoringJob make_job(const Options& options) {
  ScoringJob job;
  job.output = options.rows.destination();
  job.log_probs = options.log_probs;
  job.column = options.reward_column;
  if (job.column.empty()) job.column = options.log_probs ? "log_prob" : "reward";
  job.system = options.model.system;
  job.skip_too_long = options.rows.skip_too_long;
  job.batch_size = options.machine.batch_size;
  check(job);
  return job;
}

void check_columns(const Options& options) {
  if (options.answer_column.empty() ||
      (options.chosen_column.empty() && options.rejected_column.empty()))
    return;
  throw usage_error(
      "--answer-column applies to single answers, --chosen-column and --rejected-column to "
      "preference pairs; give the one or the others");
}

void run(const Options& options, const CLI::App& command, const CommandContext& context) {
  options.rows.check_output();
  check_columns(options);
  if (options.rows.data.empty())
    throw usage_error("score: no data set is named; give one with answers or preference pairs");
  const auto alpha = options.model.schedule(options.extrapolation);
  const EngineSpec spec = options.model.spec(options.extrapolation, options.machine, command);
  const ScoringJob job = make_job(options);
  context.prepare(spec);
  const auto reader = open_first_rows(posix_filesystem(), options.rows);
  const auto rows = read_answered(*reader, {.prompt = options.rows.prompt_column,
                                            .id = options.rows.id_column,
                                            .chosen = options.chosen_column,
                                            .rejected = options.rejected_column,
                                            .answer = options.answer_column});
  const auto engine = context.open_engine(spec, alpha);
  TerminalRowProgress progress;
  ScoringReport report = run_scoring(
      posix_filesystem(), *engine, rows, job,
      [](const Json& row) { std::cout << compact_json(row) << "\n"
                                      << std::flush; }, &progress,
      context.cancellation);
  std::ranges::move(row_warnings(*reader), std::back_inserter(report.warnings));
  print_warnings(report.warnings);
  if (job.output.file.empty()) {
    std::cerr << describe(report);
  } else {
    std::cout << (options.rows.json ? format_json(to_json(report)) : describe(report));
  }
}

void declare_rows(CLI::App& command, Options& options) {
  options.rows.declare(command);
  command
      .add_option("--answer-column", options.answer_column,
                  "Column of the answers; default: output, answer, response or completion")
      ->type_name("NAME");
  command
      .add_option("--chosen-column", options.chosen_column,
                  "Column of the chosen answers; default: chosen")
      ->type_name("NAME");
  command
      .add_option("--rejected-column", options.rejected_column,
                  "Column of the rejected answers; default: rejected")
      ->type_name("NAME");
  command
      .add_option("--reward-column", options.reward_column,
                  "Column of the rewards in the output; default: reward, or log_prob")
      ->type_name("NAME");
}

}  // namespace

std::function<void(const CommandContext&)> declare_score(CLI::App& program) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand(
      "score", "Score answers with a reward model, or measure its accuracy on preference pairs");
  command->option_defaults()->group(help_section::kModel);
  command->add_flag(
      "--log-probs", options->log_probs,
      "Write the log-probability of each answer under a language model instead of a reward");
  options->model.declare(
      *command,
      "A reward model (…ForSequenceClassification); with --log-probs a language model; also on a "
      "server: vllm=URL, or openai=URL for --log-probs");
  declare_rows(*command, *options);
  options->extrapolation.declare(*command);
  options->machine.declare(*command, "Most answers scored at once; default: 16");
  command->footer("Example:\n  expo score REWARD-MODEL answers.jsonl -o scored.jsonl");
  return [options, command](const CommandContext& context) { run(*options, *command, context); };
}

}  // namespace expo
