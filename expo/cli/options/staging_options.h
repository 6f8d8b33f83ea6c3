#pragma once

#include <string>

#include "expo/cli/arguments/unused_options.h"
#include "expo/engine/engine_spec.h"

namespace CLI {
class App;
}

namespace expo {

/// The options that say how the weights of an extrapolated model reach a server that reads whole
/// checkpoints.
struct StagingOptions {
  std::string staging_dir;
  std::string server_path;  ///< CLIENT=SERVER
  bool prove_embedded = false;

  void declare(CLI::App& command);
  /// Sets the fields of `pair` that these options determine. Throws Error(usage) for a mapping that
  /// is not of the form CLIENT=SERVER, with whole paths.
  void set(ServedPair& pair) const;
  /// Throws Error(usage) naming one that was given, and `why` it has no effect.
  static void check_unused(const GivenOptions& given, const std::string& why);
};

}  // namespace expo
