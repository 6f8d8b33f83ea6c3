#pragma once

#include <string>

namespace expo {

/// Quotes an argument for a POSIX shell if it needs quoting.
std::string shell_quoted(const std::string& word);

}  // namespace expo
