#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "expo/cli/command_context.h"
#include "expo/cli/evaluated_model.h"
#include "expo/cli/options/fit_options.h"
#include "expo/cli/options/judge_options.h"
#include "expo/cli/options/machine_options.h"
#include "expo/cli/reward_column.h"
#include "expo/evaluation/judge/judging_job.h"

namespace CLI {
class App;
}

namespace expo {

/// The part of `expo evaluate alpaca` that asks a judge about a model's answers, which may be made
/// first.
struct JudgedEvaluation {
  EvaluatedModel evaluated;
  std::string model_outputs;
  std::string reference_outputs;
  std::string generator;
  std::string output;
  std::vector<std::string> reuse;
  bool resume = false;
  bool overwrite = false;
  bool dry_run = false;
  JudgeServerOptions judge;
  RewardColumn rewards;                      ///< also used beside annotations that are there
  MachineOptions machine{.batch_size = 16};  ///< of both models

  void declare(CLI::App& command);
  /// Whether a judge is to be asked.
  bool is_asked() const { return !model_outputs.empty() || evaluated.is_named(); }
  /// Throws Error(usage) naming one of its options that was given, where no judge is asked.
  void check_unused(const CLI::App& command) const;
  /// Makes what answers there are to make, has them judged, and prints the leaderboard row; or
  /// prints what it would cost.
  void run(const FitOptions& fit, const CLI::App& command, const CommandContext& context) const;

 private:
  struct Specs {
    std::optional<EngineSpec> model;  ///< that answers
    std::optional<EngineSpec> rewards;
  };

  void declare_files(CLI::App& command);
  std::filesystem::path answers_file() const;
  JudgingJob job(const FitOptions& fit) const;
  Specs specs(const CLI::App& command) const;
  Judging rehearse(const JudgingJob& job, const GenerationJob& answers,
                   const ChatServer& server) const;
  bool tell_of(const GenerationJob& answers, const JudgingJob& job, const ChatServer& server,
               const FitOptions& fit, const ReferenceData& reference) const;
};

}  // namespace expo
