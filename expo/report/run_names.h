#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace expo {

/// The shortest names that tell files or folders apart: what is left of their paths without the
/// beginning and the end that all have in common. One alone is called by its last part.
std::vector<std::string> distinguishing_names(const std::vector<std::filesystem::path>& paths);

}  // namespace expo
