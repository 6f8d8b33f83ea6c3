#pragma once

#include <filesystem>
#include <string>

namespace expo {

/// The folder `data/NAME` that ships with this program: beside it, where the build leaves it, or
/// where it is installed. Throws Error(environment) if it is in neither place.
std::filesystem::path shipped_data_folder(const std::string& name);

}  // namespace expo
