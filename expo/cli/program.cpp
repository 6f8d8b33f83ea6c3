#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <new>

#include "expo/cli/command.h"
#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/extrapolation/output_folder.h"

namespace expo {
namespace {

/// Quotes an argument for a POSIX shell where it needs it.
std::string shell_quoted(const std::string& word) {
  const bool plain =
      !word.empty() &&
      word.find_first_not_of(
          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:@%,") ==
          std::string::npos;
  if (plain) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string command_line(int argc, const char* const* argv) {
  std::string line = "expo";
  for (int i = 1; i < argc; ++i) line += " " + shell_quoted(argv[i]);
  return line;
}

int report(const std::string& message, int code) {
  std::cout.flush();
  std::cerr << "expo: " << escape_controls(message) << "\n";
  return code;
}

}  // namespace

const std::vector<Command>& commands() {
  static const std::vector<Command> table{
      {"extrapolate", declare_extrapolate},
      {"inspect", declare_inspect},
      {"convert", declare_convert},
  };
  return table;
}

int run_program(int argc, const char* const* argv, const CancellationToken& cancellation) {
  CLI::App program("Weak-to-strong extrapolation of language models: θ + α(θ − θ_sft)", "expo");
  program.set_version_flag("--version", "expo " + version(), "Print the version and exit");
  program.require_subcommand(1);
  program.get_formatter()->column_width(36);
  std::vector<std::pair<std::string, std::function<void(const CommandContext&)>>> runs;
  for (const Command& command : commands())
    runs.emplace_back(command.name, command.declare(program));
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const bool wanted = error.get_exit_code() == 0;  // --help and --version
    program.exit(error, std::cout, std::cerr);
    return wanted ? 0 : exit_code(ErrorCategory::usage);
  }
  try {
    for (const auto& [name, run] : runs) {
      if (program.got_subcommand(name)) run({cancellation, command_line(argc, argv)});
    }
    std::cout.flush();
    return std::cout
               ? 0
               : report("cannot write to standard output", exit_code(ErrorCategory::environment));
  } catch (const Error& error) {
    return report(error.what(), exit_code(error.category()));
  } catch (const std::bad_alloc&) {
    return report("out of memory; fewer --threads need less",
                  exit_code(ErrorCategory::environment));
  } catch (const std::exception& error) {
    return report(std::string("internal error: ") + error.what(), 1);
  }
}

}  // namespace expo
