#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "expo/cli/command.h"
#include "expo/cli/data_folder.h"
#include "expo/cli/options/help_sections.h"
#include "expo/cli/options/number_checks.h"
#include "expo/cli/options/output_options.h"
#include "expo/cli/text/evaluation_text.h"
#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/evaluation/comparison.h"

namespace expo {
namespace {

/// What both kinds of evaluation have in common.
struct FitOptions {
  std::string alpaca_eval_data;
  EvaluationOptions evaluation;
  bool json = false;

  void declare(CLI::App& command);
  void check() const;
  ReferenceData reference() const;
};

struct Options {
  std::vector<std::string> annotations;
  std::string first;
  std::string second;
  FitOptions fit;
};

void FitOptions::declare(CLI::App& command) {
  command.add_flag("--allow-missing", evaluation.rows.allow_missing,
                   "Compute the figures although rows are missing or have no preference");
  command.add_flag("--other-instructions", evaluation.rows.other_instructions,
                   "Do not take the rows for AlpacaEval's: no difficulties, no gamed rows");
  command.add_flag("--json", json, "Print the result as JSON");
  command.option_defaults()->group(help_section::kLengthControl);
  command
      .add_option("--alpaca-eval-data", alpaca_eval_data,
                  "Folder with AlpacaEval's df_gamed.csv, in place of the data that ship with expo")
      ->type_name("DIR");
  command
      .add_option("--regularisation", evaluation.regularisation,
                  "liblinear's C of the fit; default: by cross-validation, or 21.544")
      ->check(is_number_from(1e-6, 1e6), limits_text(1e-6, 1e6))
      ->type_name("C");
  command
      .add_option("--resamples", evaluation.resamples,
                  "Resamples of the instructions for the intervals; default: 2000")
      ->check(CLI::Range(100, 1000000))
      ->type_name("N");
  command.add_option("--seed", evaluation.seed, "Seed of the resamples; default: 0")
      ->check(is_seed, "")
      ->type_name("N");
}

void FitOptions::check() const {
  if (evaluation.rows.other_instructions && !alpaca_eval_data.empty())
    throw usage_error(
        "--alpaca-eval-data has no effect with --other-instructions, which leaves that data out of "
        "the fit; give one of them");
}

ReferenceData FitOptions::reference() const {
  // Such rows need nothing of it, so they can be evaluated where the data do not ship.
  if (evaluation.rows.other_instructions) return {};
  std::optional<std::filesystem::path> official;
  if (!alpaca_eval_data.empty()) official = alpaca_eval_data;
  return read_reference_data(posix_filesystem(), shipped_data_folder("alpaca_eval"), official);
}

Annotations read(const std::string& path) {
  Annotations annotations = read_annotations(posix_filesystem(), path);
  print_warnings(annotations.warnings);
  return annotations;
}

void run_alpaca(const Options& options, const CommandContext& context) {
  options.fit.check();
  const ReferenceData reference = options.fit.reference();
  std::vector<LeaderboardRow> rows;
  for (const std::string& path : options.annotations)
    rows.push_back(evaluate(read(path), reference, options.fit.evaluation, context.cancellation));
  Json json = Json::array();
  for (const LeaderboardRow& row : rows) json.push_back(to_json(row));
  if (rows.size() == 1) json = json.front();
  std::cout << (options.fit.json ? format_json(json) : escape_controls(describe(rows)));
}

void run_compare(const Options& options, const CommandContext& context) {
  options.fit.check();
  const ReferenceData reference = options.fit.reference();
  const Annotations first = read(options.first);
  const Annotations second = read(options.second);
  const Comparison comparison =
      compare(first, second, reference, options.fit.evaluation, context.cancellation);
  std::cout << (options.fit.json ? format_json(to_json(comparison))
                                 : escape_controls(describe(comparison)));
}

CLI::App* declare_alpaca(CLI::App& evaluate, Options& options) {
  CLI::App* command = evaluate.add_subcommand(
      "alpaca", "AlpacaEval 2.0: win rates and length-controlled win rates from annotations");
  command->option_defaults()->group(help_section::kInputAndOutput);
  command
      ->add_option("--annotations", options.annotations,
                   "AlpacaEval's annotations.json, or a CSV with the columns index, len_baseline, "
                   "len_model and preference; several give a row each")
      ->required()
      ->type_name("FILE");
  options.fit.declare(*command);
  command->footer("Example:\n  expo evaluate alpaca --annotations annotations.json");
  return command;
}

CLI::App* declare_compare(CLI::App& evaluate, Options& options) {
  CLI::App* command = evaluate.add_subcommand(
      "compare", "Paired differences between two models, with intervals on the same resamples");
  command->option_defaults()->group(help_section::kInputAndOutput);
  command->add_option("A", options.first, "Annotations of the first model")->required();
  command->add_option("B", options.second, "Annotations of the second; differences are B − A")
      ->required();
  options.fit.declare(*command);
  command->footer("Example:\n  expo evaluate compare aligned.json extrapolated.json");
  return command;
}

}  // namespace

std::function<void(const CommandContext&)> declare_evaluate(CLI::App& program) {
  // Each of the two parses into options of its own, so that none has a default of the other's.
  const auto options = std::make_shared<Options>();
  const auto compared = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand(
      "evaluate", "Compute win rates and length-controlled win rates of AlpacaEval 2.0");
  command->require_subcommand(1);
  const CLI::App* alpaca = declare_alpaca(*command, *options);
  declare_compare(*command, *compared);
  command->footer("Example:\n  expo evaluate alpaca --annotations annotations.json");
  return [options, compared, alpaca](const CommandContext& context) {
    if (alpaca->parsed()) {
      run_alpaca(*options, context);
    } else {
      run_compare(*compared, context);
    }
  };
}

}  // namespace expo
