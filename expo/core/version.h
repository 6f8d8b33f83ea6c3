#pragma once

#include <string>

namespace expo {

/// The project's version, as `expo --version` prints it: "0.1.0".
std::string version();

}  // namespace expo
