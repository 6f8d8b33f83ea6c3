#pragma once

#include <string>
#include <vector>

#include "expo/cli/options/extrapolation_options.h"
#include "expo/cli/options/machine_options.h"
#include "expo/cli/options/server_options.h"
#include "expo/cli/options/staging_options.h"
#include "expo/engine/engine_spec.h"

namespace CLI {
class App;
}

namespace expo {

/// The options that say which model is run, and how a conversation is put into text for it.
struct ModelOptions {
  std::string model;
  std::string name = "MODEL";  ///< of the argument, or of the option, that names the model
  std::string system;
  std::string chat_template;
  bool no_chat_template = false;
  std::vector<std::string> template_variables;
  ServerOptions server;
  StagingOptions staging;  ///< not options of commands with other models
  std::string aligned;     ///< θ of a served MODEL; the same

  /// Declares them all, for a MODEL that runs here or on a server.
  void declare(CLI::App& command, const std::string& model_description);
  /// Declares all but MODEL, for commands with other models.
  void declare_conversation(CLI::App& command);
  /// The name that AlpacaEval's rows give a model that is moved to `alpha`.
  std::string generator(const std::optional<AlphaSchedule>& alpha) const;
  /// Whether MODEL runs on a server. Throws what parse_engine_word throws.
  bool is_served() const;
  /// How far to extrapolate MODEL. A server that scales an adapter is told without θ_sft. Throws
  /// what ExtrapolationOptions::schedule() and served_schedule() throw.
  std::optional<AlphaSchedule> schedule(const ExtrapolationOptions& extrapolation) const;
  /// The engine that the options of a command ask for together. Throws Error(usage) for options
  /// that make no sense, as check(EngineSpec) does, and for those that were given without effect on
  /// a server, or without one.
  EngineSpec spec(const ExtrapolationOptions& extrapolation, const MachineOptions& machine,
                  const GivenOptions& given) const;
  /// The same for commands whose models all run here.
  EmbeddedSpec embedded_spec(const ExtrapolationOptions& extrapolation,
                             const MachineOptions& machine) const;

 private:
  void set_template(TemplateSpec& spec) const;
  ServedSpec served_spec(const ExtrapolationOptions& extrapolation, const MachineOptions& machine,
                         const GivenOptions& given) const;
};

}  // namespace expo
