#pragma once

#include "expo/cli/command.h"

namespace expo {

/// `expo train`, which links libtorch, and so is declared here and not in the room cli.
std::function<void(const CommandContext&)> declare_train(CLI::App& program);

}  // namespace expo
