#include <CLI/CLI.hpp>

#include "expo/cli/command.h"

namespace expo {

using Run = std::function<void(const CommandContext&)>;

// Each is defined in its own file, NAME_command.cpp.
Run declare_extrapolate(CLI::App& program);
Run declare_inspect(CLI::App& program);
Run declare_convert(CLI::App& program);
Run declare_generate(CLI::App& program);
Run declare_score(CLI::App& program);
Run declare_search(CLI::App& program);
Run declare_report(CLI::App& program);
Run declare_evaluate(CLI::App& program);

namespace {

/// Only `expo-engine` knows this command's options and its --help.
Run declare_train_elsewhere(CLI::App& program) {
  CLI::App* command = program.add_subcommand(
      "train",
      "Train a model by supervised fine-tuning (sft) or DPO (dpo), or a reward model (reward)");
  command->set_help_flag();
  command->prefix_command();
  return [](const CommandContext& context) { context.go_on_with_libtorch(); };
}

}  // namespace

const std::vector<Command>& commands() {
  static const std::vector<Command> table{
      {"extrapolate", declare_extrapolate},
      {"inspect", declare_inspect},
      {"convert", declare_convert},
      {"generate", declare_generate},
      {"score", declare_score},
      {"search", declare_search},
      {"report", declare_report},
      {"evaluate", declare_evaluate},
      {"train", declare_train_elsewhere},
  };
  return table;
}

}  // namespace expo
