#include "expo/training/ranks/torch_failure.h"

#include <fmt/format.h>

namespace expo {

Error describe_failure(const c10::Error& error) {
  const std::string reason = error.what_without_backtrace();
  const auto speaks_of = [&](const char* words) { return reason.find(words) != std::string::npos; };
  if (!speaks_of("alloc") && !speaks_of("out of memory"))
    return environment_error("libtorch failed: " + reason);
  return environment_error(fmt::format(
      "there is not enough memory ({}); use a lower tokens_per_pass, gradient_checkpointing or "
      "use_peft, which need less",
      reason));
}

}  // namespace expo
