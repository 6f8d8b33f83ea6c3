#pragma once

#include <string>

#include "expo/cli/arguments/unused_options.h"
#include "expo/engine/engine_spec.h"

namespace CLI {
class App;
}

namespace expo {

/// The options that say how a server is asked, for a MODEL that one runs.
struct ServerOptions {
  std::string tokenizer;
  std::string key_variable;
  double answer_timeout = ServedSpec().answer_seconds;
  bool allow_other_sampling = false;
  /// What the names of the first three begin with, in a command with several servers.
  std::string prefix = "--";

  void declare(CLI::App& command);
  /// Declares --allow-other-sampling, for commands that write answers.
  void declare_sampling(CLI::App& command);
  /// Sets the fields of `spec` that these options determine.
  void set(ServedSpec& spec) const;
  /// Throws Error(usage) naming an option that was given, and `why` it has no effect.
  void check_unused(const GivenOptions& given, const std::string& why) const;
};

}  // namespace expo
