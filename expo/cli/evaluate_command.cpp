#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "expo/cli/arguments/help_sections.h"
#include "expo/cli/command.h"
#include "expo/cli/judged_evaluation.h"
#include "expo/cli/options/fit_options.h"
#include "expo/cli/options/output_options.h"
#include "expo/cli/text/evaluation_text.h"
#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/evaluation/comparison.h"

namespace expo {
namespace {

struct Options {
  std::vector<std::string> annotations;
  std::string first;
  std::string second;
  JudgedEvaluation judged;
  FitOptions fit;
};

Annotations read(const std::string& path) {
  Annotations annotations = read_annotations(posix_filesystem(), path);
  print_warnings(annotations.warnings);
  return annotations;
}

/// Preferences are either there, or a judge is asked for them.
void check_source(const Options& options, const CLI::App& command) {
  const bool asks = options.judged.is_asked();
  if (!asks && options.annotations.empty())
    throw usage_error(
        "evaluate: there is nothing to evaluate; give --annotations FILE, or answers for a judge "
        "by --model-outputs FILE or --model MODEL");
  if (asks && !options.annotations.empty())
    throw usage_error(fmt::format(
        "evaluate: --annotations says what a judge has said, and {} has one asked; give one of "
        "them (--reuse takes over what earlier annotations say)",
        options.judged.evaluated.is_named() ? "--model" : "--model-outputs"));
  if (!asks) options.judged.check_unused(command);
}

void run_alpaca(const Options& options, const CLI::App& command, const CommandContext& context) {
  options.fit.check();
  check_source(options, command);
  if (options.annotations.empty()) return options.judged.run(options.fit, command, context);
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
      "alpaca",
      "AlpacaEval 2.0: win rates and length-controlled win rates, from annotations or by a judge");
  command->option_defaults()->group(help_section::kInputAndOutput);
  command
      ->add_option("--annotations", options.annotations,
                   "AlpacaEval's annotations.json, or a CSV with the columns index, len_baseline, "
                   "len_model and preference; several give a row each")
      ->type_name("FILE");
  options.judged.declare(*command);
  options.fit.declare(*command);
  command->footer(
      "Examples:\n"
      "  expo evaluate alpaca --annotations annotations.json\n"
      "  expo evaluate alpaca --model-outputs answers.json --reference-outputs baseline.json\n"
      "    --judge openai=https://api.openai.com/v1#gpt-4-1106-preview\n"
      "    --judge-key-variable OPENAI_API_KEY -o annotations.json\n"
      "  expo evaluate alpaca --model ALIGNED --sft SFT --alpha 0.3 --judge vllm=URL#NAME\n"
      "    -o annotations.json");
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
      run_alpaca(*options, *alpaca, context);
    } else {
      run_compare(*compared, context);
    }
  };
}

}  // namespace expo
