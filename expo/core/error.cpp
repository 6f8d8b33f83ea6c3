#include "expo/core/error.h"

namespace expo {
namespace {

std::string escape_controls(const std::string& text) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\n') || byte == 0x7f) {
      result += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
    } else {
      result += c;
    }
  }
  return result;
}

}  // namespace

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
