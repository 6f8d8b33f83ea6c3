#pragma once

#include <string>

#include "expo/cli/command_context.h"

namespace expo {

/// Writes report.html into the folder of a run that has ended, in the place of an earlier one, or
/// leaves that if `keep` is set. A failure is a warning, as the run itself is finished. Returns a
/// line that names the page, which is the last one that a command prints; empty if there is none.
std::string write_run_page(const std::string& folder, bool keep, const CommandContext& context);

}  // namespace expo
