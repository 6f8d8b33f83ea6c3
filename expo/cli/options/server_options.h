#pragma once

#include <string>

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

  void declare(CLI::App& command);
  /// Declares --allow-other-sampling, for commands that write answers.
  void declare_sampling(CLI::App& command);
  /// Sets the fields of `spec` that these options determine.
  void set(ServedSpec& spec) const;
  /// Throws Error(usage) naming an option that was given to `command` and says nothing of a model
  /// that runs here.
  static void check_unused(const CLI::App& command);
};

}  // namespace expo
