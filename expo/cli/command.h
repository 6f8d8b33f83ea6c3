#pragma once

#include <functional>
#include <vector>

#include "expo/cli/command_context.h"

namespace CLI {
class App;
}

namespace expo {

/// A subcommand: `declare` adds it with its options to the program and returns what runs it.
/// Commands print their result to stdout and warnings to stderr, and throw Error.
struct Command {
  const char* name;
  std::function<std::function<void(const CommandContext&)>(CLI::App& program)> declare;
};

/// All subcommands, in the order of --help.
const std::vector<Command>& commands();

/// Parses the arguments, runs the command, prints errors; returns the exit code: 0 done, 2 wrong
/// use, 3 bad input, 4 failed environment, 130 interrupted. Without `open_embedded`, a command that
/// needs libtorch goes on in the program `expo-engine`. `argv` ends with a null, as main's does.
/// `own` are commands that the calling program has and commands() only names.
int run_program(int argc, const char* const* argv, const CancellationToken& cancellation,
                const EmbeddedOpener& open_embedded, const std::vector<Command>& own = {});

/// Lets the first Ctrl-C (SIGINT, SIGTERM, SIGHUP) cancel the token that it returns and the second
/// one end the program, has a closed pipe tell the writer, and lifts the limit of open files. For
/// main, once.
const CancellationToken& catch_signals();

}  // namespace expo
