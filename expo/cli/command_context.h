#pragma once

#include <memory>
#include <optional>
#include <string>

#include "expo/core/progress.h"
#include "expo/engine/engine_spec.h"

namespace expo {

/// What a command gets from the program: the token that cancels it, and engines.
///
/// `expo` links no libtorch. A command that needs it calls prepare() or go_on_with_libtorch(), and
/// the process starts over as `expo-engine` with the same arguments. Whatever the command did
/// before the call is done again there, so it should only check its options before (wrong ones are
/// then refused at once), and read data, print and write after.
class CommandContext {
 public:
  /// `argv` is main's. `open_embedded` is empty in the program `expo`. All must outlive it.
  CommandContext(const CancellationToken& cancellation, int argc, const char* const* argv,
                 const EmbeddedOpener& open_embedded);

  const CancellationToken& cancellation;
  const std::string command_line;  ///< quoted, so that it can be pasted into a shell

  /// Replaces the process by `expo-engine` if this program cannot open such an engine; a command
  /// with several engines calls it for each before it opens the first. Throws Error(environment) if
  /// `expo-engine` does not exist, as in a build without libtorch.
  void prepare(const EngineSpec& spec) const;
  /// Does the same for a command that uses libtorch directly.
  void go_on_with_libtorch() const;

  /// Opens an engine of the spec's kind, moves it to `alpha` if there is one, and prints its
  /// warnings. Throws what the engine's opener and Engine::move_to throw.
  std::unique_ptr<Engine> open_engine(const EngineSpec& spec,
                                      const std::optional<AlphaSchedule>& alpha = {}) const;
  /// Opens an engine that was open before, and prints nothing.
  std::unique_ptr<Engine> reopen_engine(const EngineSpec& spec) const;

 private:
  const char* const* argv_;
  const EmbeddedOpener& open_embedded_;
};

}  // namespace expo
