#pragma once

#include <initializer_list>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace expo {

/// The options that a user has given to a command, as far as a check is concerned.
class GivenOptions {
 public:
  /// Those that `has_use` names have an effect elsewhere in the command, so no check is about them.
  // NOLINTNEXTLINE(google-explicit-constructor): all that a command was given is the usual case
  GivenOptions(const CLI::App& command, std::vector<std::string> has_use = {})
      : command_(command), has_use_(std::move(has_use)) {}

  /// Whether an option of this name was given. One that the command does not have was not.
  bool contain(const std::string& name) const;

 private:
  const CLI::App& command_;
  std::vector<std::string> has_use_;
};

/// Throws Error(usage) naming the first of these options that the user has given, and `why` it has
/// no effect.
void refuse_given(const GivenOptions& given, std::initializer_list<std::string> options,
                  const std::string& why);

}  // namespace expo
