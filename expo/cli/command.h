#pragma once

#include <functional>
#include <string>
#include <vector>

#include "expo/core/progress.h"

namespace CLI {
class App;
}

namespace expo {

/// What every command gets from main.
struct CommandContext {
  const CancellationToken& cancellation;
  std::string command_line;  ///< as a person would type it again
};

/// A subcommand: `declare` adds it with its options to the program and returns what runs it.
/// Commands print their result to stdout and warnings to stderr, and throw Error.
struct Command {
  const char* name;
  std::function<std::function<void(const CommandContext&)>(CLI::App& program)> declare;
};

/// All subcommands, in the order of --help.
const std::vector<Command>& commands();

/// Parses the arguments, runs the command, prints errors; returns the exit code: 0 done, 2 wrong
/// use, 3 bad input, 4 failed environment, 130 interrupted.
int run_program(int argc, const char* const* argv, const CancellationToken& cancellation);

std::function<void(const CommandContext&)> declare_extrapolate(CLI::App& program);
std::function<void(const CommandContext&)> declare_convert(CLI::App& program);
std::function<void(const CommandContext&)> declare_inspect(CLI::App& program);

}  // namespace expo
