#include <CLI/CLI.hpp>

#include <csignal>
#include <iostream>

#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/torchcli/torch_commands.h"

namespace {

expo::CancellationToken interrupted;

int report(const std::string& message, int code) {
  std::cerr << "expo: " << expo::escape_controls(message) << "\n";
  return code;
}

std::string joined(int argc, char** argv) {
  std::string line = "expo";
  for (int i = 1; i < argc; ++i) line += std::string(" ") + argv[i];
  return line;
}

}  // namespace

int main(int argc, char** argv) {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted.cancel(); };
  action.sa_flags = SA_RESETHAND;  // a second Ctrl-C ends the program at once
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  CLI::App program("Train the models that expo extrapolates", "expo");
  program.require_subcommand(1);
  program.get_formatter()->column_width(36);
  const auto run = expo::declare_train(program);
  try {
    program.parse(argc, argv);
    run({interrupted, joined(argc, argv)});
    return 0;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return program.exit(error, std::cout, std::cerr);
    return report(error.what(), expo::exit_code(expo::ErrorCategory::usage));
  } catch (const expo::Error& error) {
    return report(error.what(), expo::exit_code(error.category()));
  } catch (const std::exception& error) {
    return report(std::string("internal error: ") + error.what(), 1);
  }
}
