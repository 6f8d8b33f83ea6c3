#pragma once

#include <cstddef>
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
  std::size_t batch_size = 64;  ///< what it counts, the command says
  unsigned threads = 0;         ///< 0: as many as there are processors
  bool deterministic = false;
  std::string cache_size = "4GB";  ///< stays so for a command that writes no answers

  void declare(CLI::App& command, const std::string& batch_description);
  /// --cache-size, for commands that write answers.
  void declare_cache(CLI::App& command);
  /// What of an engine these options say. Throws Error(usage) for a size that is not one.
  void set(EmbeddedSpec& spec) const;
};

}  // namespace expo
