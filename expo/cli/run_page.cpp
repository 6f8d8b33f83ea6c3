#include "expo/cli/run_page.h"

#include <fmt/format.h>

#include <chrono>
#include <exception>

#include "expo/cli/options/output_options.h"
#include "expo/core/text.h"
#include "expo/report/report.h"
#include "expo/session/session_log.h"

namespace expo {
namespace {

bool shows(const std::filesystem::path& page, const std::filesystem::path& result) {
  if (result.empty()) return false;
  const auto shown = posix_filesystem().status(page);
  const auto made = posix_filesystem().status(result);
  return shown && made && shown->is_regular && shown->modified_ns >= made->modified_ns;
}

}  // namespace

std::string write_run_page(const std::string& folder, const std::filesystem::path& result,
                           const CommandContext& context) {
  ReportRequest request;
  request.runs = {folder};
  request.output = std::filesystem::path(folder) / "report.html";
  request.overwrite = true;
  request.command = context.command_line;
  request.made = utc_text(std::chrono::system_clock::now());
  try {
    if (!shows(request.output, result))
      write_report(posix_filesystem(), request, context.cancellation);
  } catch (const std::exception& error) {
    print_warnings({fmt::format("the page of the run is not written: {}", error.what())});
    return {};
  }
  return fmt::format("the page that shows it: {}\n", on_one_line(request.output.string()));
}

}  // namespace expo
