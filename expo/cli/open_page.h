#pragma once

#include <filesystem>
#include <string>

namespace expo {

/// Opens a page in the user's browser: by the program that the environment variable BROWSER names
/// (several are divided by colons, the first that starts is taken; %s stands for the page), or else
/// by xdg-open. No shell sees the path. Returns why it cannot be opened; empty if nothing speaks
/// against it within a second.
std::string open_page(const std::filesystem::path& page);

}  // namespace expo
