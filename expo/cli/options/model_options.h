#pragma once

#include <string>
#include <vector>

#include "expo/cli/options/extrapolation_options.h"
#include "expo/cli/options/machine_options.h"
#include "expo/engine/engine_spec.h"

namespace CLI {
class App;
}

namespace expo {

/// The options that say which model is run, and how a conversation is put into text for it.
struct ModelOptions {
  std::string model;
  std::string system;
  std::string chat_template;
  bool no_chat_template = false;
  std::vector<std::string> template_variables;

  void declare(CLI::App& command, const std::string& model_description);
  /// Declares all but MODEL, for commands with other models.
  void declare_conversation(CLI::App& command);
  /// The engine that the options of a command ask for together. Throws Error(usage) for options
  /// that make no sense, as check(EngineSpec) does.
  EngineSpec spec(const ExtrapolationOptions& extrapolation, const MachineOptions& machine) const;
};

}  // namespace expo
