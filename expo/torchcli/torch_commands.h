#pragma once

#include "expo/cli/command.h"

namespace expo {

std::function<void(const CommandContext&)> declare_train(CLI::App& program);

}  // namespace expo
