#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <chrono>
#include <iostream>
#include <memory>

#include "expo/cli/arguments/help_sections.h"
#include "expo/cli/command.h"
#include "expo/cli/open_page.h"
#include "expo/cli/options/output_options.h"
#include "expo/core/byte_size.h"
#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/report/report.h"
#include "expo/session/session_log.h"

namespace expo {
namespace {

struct Options {
  std::vector<std::string> runs;
  std::string output;
  bool overwrite = false;
  bool open = false;
  bool json = false;
};

void print(const Options& options, const ReportSummary& summary) {
  if (options.json) {
    std::cout << format_json(
        {{"path", options.output}, {"bytes", summary.bytes}, {"runs", summary.runs}});
    return;
  }
  std::cout << fmt::format("wrote {} ({}, {})\n", on_one_line(options.output),
                           counted(summary.runs, "run"), format_bytes(summary.bytes));
}

void open(const Options& options) {
  const std::string failure = open_page(posix_filesystem().canonical(options.output));
  if (failure.empty()) return;
  print_warnings({fmt::format("{} is not opened: {}; open it in a browser of your own",
                              options.output, failure)});
}

void run(const Options& options, const CommandContext& context) {
  if (options.output.empty())
    throw usage_error("report: no file is named for the page; give -o report.html");
  ReportRequest request;
  request.runs = options.runs;
  request.output = options.output;
  request.overwrite = options.overwrite;
  request.command = context.command_line;
  request.made = utc_text(std::chrono::system_clock::now());
  print(options, write_report(posix_filesystem(), request, context.cancellation));
  if (options.open) open(options);
}

}  // namespace

std::function<void(const CommandContext&)> declare_report(CLI::App& program) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand(
      "report", "Write one HTML page that shows searches, training runs or weight changes");
  command->option_defaults()->group(help_section::kInputAndOutput);
  command
      ->add_option("RUN", options->runs,
                   "Folders of searches or of training runs, or files with what expo inspect "
                   "--json prints; several of one kind are compared")
      ->required();
  command->add_option("-o,--output", options->output, "The page to write, such as report.html")
      ->type_name("FILE");
  command->add_flag("--overwrite", options->overwrite, "Replace FILE if it is there");
  command->add_flag("--open", options->open,
                    "Open the page in a browser: by $BROWSER if it is set, otherwise by xdg-open");
  command->add_flag("--json", options->json, "Print the result as one JSON object");
  command->footer("Example:\n  expo report RUN -o report.html");
  return [options](const CommandContext& context) { run(*options, context); };
}

}  // namespace expo
