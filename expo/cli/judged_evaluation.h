#pragma once

#include <string>
#include <vector>

#include "expo/cli/command_context.h"
#include "expo/cli/options/fit_options.h"
#include "expo/cli/options/judge_options.h"
#include "expo/cli/options/machine_options.h"
#include "expo/cli/options/server_options.h"
#include "expo/evaluation/judge/judging_job.h"

namespace CLI {
class App;
}

namespace expo {

/// The part of `expo evaluate alpaca` that asks a judge about a model's answers.
struct JudgedEvaluation {
  std::string model_outputs;
  std::string reference_outputs;
  std::string generator;
  std::string output;
  std::vector<std::string> reuse;
  bool resume = false;
  bool overwrite = false;
  bool dry_run = false;
  JudgeServerOptions judge;
  std::string reward_model;
  ServerOptions reward_server;
  MachineOptions machine{.batch_size = 16};

  void declare(CLI::App& command);
  /// Throws Error(usage) naming one of its options that was given, where no judge is asked.
  static void check_unused(const CLI::App& command);
  /// Judges, and prints the leaderboard row; or prints what it would cost.
  void run(const FitOptions& fit, const CLI::App& command, const CommandContext& context) const;

 private:
  JudgingJob job(const FitOptions& fit) const;
  std::optional<EngineSpec> reward_spec(const CLI::App& command) const;
};

}  // namespace expo
