#pragma once

#include <memory>
#include <optional>
#include <string>

#include "expo/core/progress.h"
#include "expo/engine/engine_spec.h"

namespace expo {

/// What a command gets from the program: who may interrupt it, and engines.
///
/// `expo` links no libtorch. A command that needs it says so by prepare() or by
/// go_on_with_libtorch(), and the process begins anew as `expo-engine` under the same arguments.
/// Whatever the command did before is done again there: it first checks its options, which should
/// be refused at once, and reads data, prints and writes only after.
class CommandContext {
 public:
  /// `argv` is main's. `open_embedded` is empty in the program `expo`. All must outlive it.
  CommandContext(const CancellationToken& cancellation, int argc, const char* const* argv,
                 const EmbeddedOpener& open_embedded);

  const CancellationToken& cancellation;
  const std::string command_line;  ///< as a person would type it again

  /// Goes on as `expo-engine` where this program cannot open such an engine; a command with several
  /// engines calls it for each before it opens the first. Throws Error(environment) where
  /// `expo-engine` is not there, as in a build without libtorch.
  void prepare(const EngineSpec& spec) const;
  /// Likewise for a command that needs libtorch for itself.
  void go_on_with_libtorch() const;

  /// Opens an engine of the spec's kind, moves it to `alpha` where there is one, and prints its
  /// warnings. Throws as the engine's opener and Engine::move_to do.
  std::unique_ptr<Engine> open_engine(const EngineSpec& spec,
                                      const std::optional<AlphaSchedule>& alpha = {}) const;

 private:
  const char* const* argv_;
  const EmbeddedOpener& open_embedded_;
};

}  // namespace expo
