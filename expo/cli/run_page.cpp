#include "expo/cli/run_page.h"

#include <fmt/format.h>

#include <chrono>
#include <exception>

#include "expo/cli/options/output_options.h"
#include "expo/core/text.h"
#include "expo/report/report.h"
#include "expo/session/session_log.h"

namespace expo {

std::string write_run_page(const std::string& folder, bool keep, const CommandContext& context) {
  ReportRequest request;
  request.runs = {folder};
  request.output = std::filesystem::path(folder) / "report.html";
  request.overwrite = true;
  request.command = context.command_line;
  request.made = utc_text(std::chrono::system_clock::now());
  try {
    if (!keep || !posix_filesystem().exists(request.output))
      write_report(posix_filesystem(), request, context.cancellation);
  } catch (const std::exception& error) {
    print_warnings({fmt::format("the page of the run is not written: {}", error.what())});
    return {};
  }
  return fmt::format("the page that shows it: {}\n", on_one_line(request.output.string()));
}

}  // namespace expo
