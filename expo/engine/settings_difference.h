#pragma once

#include <string>

#include "expo/core/json.h"

namespace expo {

/// In what the settings of two runs differ, for a person: "sampling.seed was 0 and is 1, …"; empty
/// if they are equal.
std::string difference_of(const Json& before, const Json& now);

}  // namespace expo
