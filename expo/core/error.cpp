#include "expo/core/error.h"

#include "expo/core/text.h"

namespace expo {

Error::Error(ErrorCategory category, const std::string& message)
    : std::runtime_error(escape_controls(message)), category_(category) {}

Error usage_error(const std::string& message) {
  return {ErrorCategory::usage, message};
}
Error input_error(const std::string& message) {
  return {ErrorCategory::input, message};
}
Error environment_error(const std::string& message) {
  return {ErrorCategory::environment, message};
}
Error interrupted_error(const std::string& message) {
  return {ErrorCategory::interrupted, message};
}

int exit_code(ErrorCategory category) noexcept {
  switch (category) {
    case ErrorCategory::usage:
      return 2;
    case ErrorCategory::input:
      return 3;
    case ErrorCategory::environment:
      return 4;
    case ErrorCategory::interrupted:
      return 130;
  }
  return 1;
}

}  // namespace expo
