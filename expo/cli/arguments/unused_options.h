#pragma once

#include <initializer_list>
#include <string>

namespace CLI {
class App;
}

namespace expo {

/// Throws Error(usage) naming the first of these options that the user has given, and `why` it has
/// no effect. An option that the command does not have was not given.
void refuse_given(const CLI::App& command, std::initializer_list<const char*> options,
                  const std::string& why);

}  // namespace expo
