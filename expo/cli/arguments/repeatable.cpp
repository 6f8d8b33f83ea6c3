#include "expo/cli/arguments/repeatable.h"

#include <CLI/CLI.hpp>

namespace expo {

void make_repeatable(CLI::Option* option, const char* type) {
  option->type_name(type)
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
}

}  // namespace expo
