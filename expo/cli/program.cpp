#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <iostream>
#include <new>
#include <string_view>

#include "expo/cli/command.h"
#include "expo/cli/engine_program.h"
#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/core/version.h"

namespace expo {
namespace {

std::vector<const CLI::App*> commands_in(const CLI::App& program) {
  return program.get_subcommands([](const CLI::App*) { return true; });
}

bool has_commands(const CLI::App& command) {
  return !commands_in(command).empty();
}

/// Says that the word names none of the program's commands, or of a command's own.
std::string commands_of(const CLI::App& program, const std::string& word) {
  std::vector<std::string> names;
  for (const CLI::App* command : commands_in(program)) names.push_back(command->get_name());
  return fmt::format(
      "{}; the commands are {}",
      word.empty() ? "a command is missing" : fmt::format("\"{}\" is not a command", word),
      fmt::join(names, ", "));
}

/// Prints what CLI11 found wrong, with the program's name and a pointer to --help.
int refuse_arguments(const CLI::App& program, const CLI::ParseError& error, int argc,
                     const char* const* argv) {
  std::string message = error.what();
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
    if (program.get_subcommands().empty()) {
      message = commands_of(program, argc > 1 ? argv[1] : "");
    } else if (const CLI::App& command = *program.get_subcommands().front();
               has_commands(command) && command.get_subcommands().empty()) {
      message =
          fmt::format("{}: {}", command.get_name(), commands_of(command, argc > 2 ? argv[2] : ""));
    }
  }
  while (!message.empty() && message.back() == '\n') message.pop_back();
  std::cerr << "expo: " << message << " (see expo --help)\n";
  return exit_code(ErrorCategory::usage);
}

/// Accepts `expo help` and `expo help COMMAND`, as other programs do.
std::vector<std::string> with_help_as_option(int argc, const char* const* argv) {
  std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  if (!words.empty() && words.front() == "help") {
    words.erase(words.begin());
    words.resize(std::min<std::size_t>(words.size(), 1));
    words.push_back("--help");
  }
  std::ranges::reverse(words);  // the order in which CLI11 expects them
  return words;
}

int report(const std::string& message, int code) {
  std::cout.flush();
  std::cerr << "expo: " << escape_controls(message) << "\n";
  return code;
}

/// The table of commands, with each of the given ones in the place of the one of the same name.
std::vector<Command> with_own(const std::vector<Command>& own) {
  std::vector<Command> all = commands();
  for (Command& command : all) {
    const auto found = std::ranges::find_if(
        own, [&](const Command& one) { return std::string_view(one.name) == command.name; });
    if (found != own.end()) command = *found;
  }
  return all;
}

/// Puts --help into a section of its own, after those of the command.
void put_help_last(CLI::App& program) {
  for (CLI::App* command : program.get_subcommands([](const CLI::App*) { return true; })) {
    put_help_last(*command);
    if (command->get_help_ptr() == nullptr) continue;
    command->option_defaults()->group("Help");
    command->set_help_flag();
    command->set_help_flag("-h,--help", "Print this help message and exit");
  }
}

}  // namespace

int run_program(int argc, const char* const* argv, const CancellationToken& cancellation,
                const EmbeddedOpener& open_embedded, const std::vector<Command>& own) {
  try {
    if (open_embedded) refuse_other_build();  // before options that it may not know
  } catch (const Error& error) {
    return report(error.what(), exit_code(error.category()));
  }
  const std::vector<Command> all = with_own(own);
  CLI::App program("Weak-to-strong extrapolation of language models: θ + α(θ − θ_sft)", "expo");
  program.set_version_flag("--version", "expo " + version(), "Print the version and exit");
  program.require_subcommand(1);
  program.footer(
      "Example:\n  expo extrapolate SFT ALIGNED -o OUT --alpha 0.3\n\nexpo COMMAND --help "
      "describes a command.");
  program.get_formatter()->column_width(36);
  std::vector<std::function<void(const CommandContext&)>> runs;
  for (const Command& command : all) runs.push_back(command.declare(program));
  put_help_last(program);
  try {
    program.parse(with_help_as_option(argc, argv));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) return refuse_arguments(program, error, argc, argv);
    program.exit(error, std::cout, std::cerr);  // --help and --version
    return 0;
  }
  try {
    const CommandContext context(cancellation, argc, argv, open_embedded);
    for (std::size_t i = 0; i < runs.size(); ++i) {
      if (program.got_subcommand(all[i].name)) runs[i](context);
    }
    errno = 0;
    std::cout.flush();
    return std::cout || errno == EPIPE  // a reader that has seen enough
               ? 0
               : report("cannot write to standard output", exit_code(ErrorCategory::environment));
  } catch (const Error& error) {
    return report(error.what(), exit_code(error.category()));
  } catch (const std::bad_alloc&) {
    return report("out of memory; use fewer --threads, which need less",
                  exit_code(ErrorCategory::environment));
  } catch (const std::exception& error) {
    return report(std::string("internal error: ") + error.what(), 1);
  }
}

}  // namespace expo
