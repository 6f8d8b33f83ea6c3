#include "expo/cli/arguments/unused_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "expo/core/error.h"

namespace expo {

bool GivenOptions::contain(const std::string& name) const {
  const CLI::Option* option = command_.get_option_no_throw(name);
  return option != nullptr && option->count() > 0 &&
         std::ranges::find(has_use_, name) == has_use_.end();
}

void refuse_given(const GivenOptions& given, std::initializer_list<std::string> options,
                  const std::string& why) {
  for (const std::string& name : options) {
    if (given.contain(name))
      throw usage_error(fmt::format("{} has no effect {}; leave it out", name, why));
  }
}

}  // namespace expo
