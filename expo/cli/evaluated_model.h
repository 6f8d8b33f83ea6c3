#pragma once

#include <filesystem>
#include <string>

#include "expo/cli/command_context.h"
#include "expo/cli/options/answering_options.h"
#include "expo/cli/options/model_options.h"
#include "expo/engine/generation_job.h"

namespace CLI {
class App;
}

namespace expo {

/// The model of `expo evaluate alpaca --model`, which answers the instructions before a judge is
/// asked, as `expo generate` has it answer them.
struct EvaluatedModel {
  EvaluatedModel();

  ModelOptions model;
  ExtrapolationOptions extrapolation;
  AnsweringOptions answering;

  void declare(CLI::App& command);
  bool is_named() const { return !model.model.empty(); }
  /// Throws Error(usage) naming one of its options that was given, where no model is named.
  void check_unused(const GivenOptions& given) const;
  /// Throws what ModelOptions::spec() throws.
  EngineSpec spec(const MachineOptions& machine, const GivenOptions& given) const;
  /// What makes the answers to the instructions of `reference`, in AlpacaEval's format. They are
  /// made once, whatever interrupts it; `replace_others` replaces those of other settings. Throws
  /// Error(usage) for settings that contradict each other.
  GenerationJob job(const std::filesystem::path& output, const std::filesystem::path& reference,
                    const std::string& generator, bool replace_others) const;
  /// Carries out such a job, and prints what there is to warn of. Throws what the engine throws.
  GenerationReport answer(const GenerationJob& job, const std::filesystem::path& reference,
                          const EngineSpec& spec, const CommandContext& context) const;
};

}  // namespace expo
