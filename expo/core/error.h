#pragma once

#include <stdexcept>
#include <string>

namespace expo {

/// The kinds of failure; the command line exits with the code given for each.
enum class ErrorCategory {
  usage,        ///< 2: the caller asked for something that makes no sense
  input,        ///< 3: a file is malformed, missing, or does not fit the other one
  environment,  ///< 4: the machine failed: disk, permissions, memory, network
  interrupted,  ///< 130: a cancellation token fired
};

/// The one exception that the library throws. The message is one sentence for a person: where, what
/// was found, what was expected, and the likely cause or remedy. The library never prints and never
/// exits.
class Error : public std::runtime_error {
 public:
  /// Escapes control characters in the message, which may hold names from hostile files (see
  /// escape_controls in text.h).
  Error(ErrorCategory category, const std::string& message);
  ErrorCategory category() const noexcept { return category_; }

 private:
  ErrorCategory category_;
};

/// Shorthands that make a throw say what it means: `throw input_error("…")`.
Error usage_error(const std::string& message);
Error input_error(const std::string& message);
Error environment_error(const std::string& message);
Error interrupted_error(const std::string& message);

/// The exit code of a category: 2, 3, 4 or 130, as above.
int exit_code(ErrorCategory category) noexcept;

}  // namespace expo
