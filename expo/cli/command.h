#pragma once

#include <functional>
#include <vector>

#include "expo/cli/command_context.h"

namespace CLI {
class App;
}

namespace expo {

/// A subcommand: `declare` adds it with its options to the program and returns the function that
/// runs it. Commands print their result to stdout and warnings to stderr, and throw Error.
struct Command {
  const char* name;
  std::function<std::function<void(const CommandContext&)>(CLI::App& program)> declare;
};

/// All subcommands, in the order in which --help lists them.
const std::vector<Command>& commands();

/// Parses the arguments, runs the command, prints errors; returns the exit code: 0 done, 2 wrong
/// use, 3 bad input, 4 failed environment, 130 interrupted. Without `open_embedded`, a command that
/// needs libtorch is handed over to the program `expo-engine`. `argv` ends with a null pointer, as
/// main's does. `own` holds the calling program's own implementations of commands that commands()
/// only names.
int run_program(int argc, const char* const* argv, const CancellationToken& cancellation,
                const EmbeddedOpener& open_embedded, const std::vector<Command>& own = {});

/// Makes the first Ctrl-C (SIGINT, SIGTERM or SIGHUP) cancel the returned token and the second one
/// end the program, makes a write to a closed pipe fail instead of killing the program, and raises
/// the limit of open files. Call it once, from main.
const CancellationToken& catch_signals();

}  // namespace expo
