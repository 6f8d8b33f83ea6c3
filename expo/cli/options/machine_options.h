#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "expo/engine/engine_spec.h"

namespace CLI {
class App;
}

namespace expo {

/// The options that say where and how wide a model runs.
struct MachineOptions {
  std::string device = "auto";
  std::string dtype = "auto";
  std::size_t batch_size = 64;  ///< rows at once; each command says of which kind
  unsigned threads = 0;         ///< 0: one for each processor
  bool deterministic = false;
  std::string cache_size = "4GB";  ///< not an option of commands that write no answers

  void declare(CLI::App& command, const std::string& batch_description);
  /// Declares --cache-size, for commands that write answers.
  void declare_cache(CLI::App& command);
  /// Sets the fields of `spec` that these options determine. Throws Error(usage) for a malformed
  /// size.
  void set(EmbeddedSpec& spec) const;
  /// The type that --dtype names for the weights of a server; std::nullopt for auto. Throws
  /// Error(usage) for a word that names no type of weights.
  std::optional<DType> weight_type() const;
};

}  // namespace expo
