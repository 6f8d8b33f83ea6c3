#pragma once

#include "expo/cli/command.h"

namespace expo {

/// Declares `expo train`, here and not in the room cli because it links libtorch.
std::function<void(const CommandContext&)> declare_train(CLI::App& program);

}  // namespace expo
