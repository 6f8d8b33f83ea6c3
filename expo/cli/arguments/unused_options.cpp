#include "expo/cli/arguments/unused_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "expo/core/error.h"

namespace expo {

void refuse_given(const CLI::App& command, std::initializer_list<const char*> options,
                  const std::string& why) {
  for (const char* name : options) {
    const CLI::Option* option = command.get_option_no_throw(name);
    if (option == nullptr || option->count() == 0) continue;
    throw usage_error(fmt::format("{} has no effect {}; leave it out", name, why));
  }
}

}  // namespace expo
