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

/// What is printed of one file of annotations.
struct Evaluated {
  LeaderboardRow row;
  std::optional<ScoringReport> rewards = {};
};

void print(const std::vector<Evaluated>& all, bool as_json) {
  Json json = Json::array();
  std::vector<LeaderboardRow> rows;
  for (const Evaluated& each : all) {
    rows.push_back(each.row);
    json.push_back(to_json(each.row));
    json.back()["reward"] = reward_json(each.rewards);
  }
  if (as_json) {
    std::cout << format_json(all.size() == 1 ? json.front() : json);
    return;
  }
  std::string text = describe(rows);
  for (const Evaluated& each : all) {
    if (!each.rewards) continue;
    text += all.size() == 1 ? "" : on_one_line(each.row.model) + ": ";
    text += describe_reward(*each.rewards);
  }
  std::cout << escape_controls(text);
}

/// Rows that cannot be scored are refused before any is.
void run_annotations(const Options& options, const CLI::App& command,
                     const CommandContext& context) {
  const MachineOptions& machine = options.judged.machine;
  const auto spec = options.judged.rewards.spec(machine, command);
  if (spec) context.prepare(*spec);
  const ReferenceData reference = options.fit.reference();
  std::vector<Evaluated> all;
  std::vector<std::vector<AnsweredRow>> answers;
  for (const std::string& path : options.annotations) {
    const Annotations annotations = read(path);
    if (spec) answers.push_back(answered_rows(annotations));
    all.push_back({evaluate(annotations, reference, options.fit.evaluation, context.cancellation)});
  }
  const auto engine = spec ? context.open_engine(*spec) : nullptr;
  for (std::size_t i = 0; i < answers.size(); ++i)
    all[i].rewards = score_answers(answers[i], *engine, machine.batch_size, context.cancellation);
  print(all, options.fit.json);
}

void run_alpaca(const Options& options, const CLI::App& command, const CommandContext& context) {
  options.fit.check();
  check_source(options, command);
  if (options.annotations.empty()) {
    options.judged.run(options.fit, command, context);
  } else {
    run_annotations(options, command, context);
  }
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
