#pragma once

#include <optional>
#include <string>

#include "expo/core/json.h"

namespace expo {

/// The first of "architectures" in a config.json, the class that transformers loads the model as;
/// nothing where there is none.
std::optional<std::string> declared_architecture(const Json& config);

}  // namespace expo
