#pragma once

#include <filesystem>
#include <string>

#include "expo/cli/command_context.h"

namespace expo {

/// Writes report.html into the folder of a run that has ended, in the place of an earlier one, or
/// leaves that if it is not older than the file `result`: a search that was killed behind its
/// result has left a page of an earlier moment, or none. With an empty `result` the page is always
/// made anew. A failure is a warning, as the run itself is finished. Returns a line that names the
/// page, which is the last one that a command prints; empty if there is none.
std::string write_run_page(const std::string& folder, const std::filesystem::path& result,
                           const CommandContext& context);

}  // namespace expo
