#include "expo/checkpoint/declared_architecture.h"

namespace expo {

std::optional<std::string> declared_architecture(const Json& config) {
  if (!config.is_object()) return std::nullopt;
  const auto names = config.find("architectures");
  if (names == config.end() || !names->is_array() || names->empty()) return std::nullopt;
  return names->front().is_string() ? std::optional(names->front().get<std::string>())
                                    : std::nullopt;
}

}  // namespace expo
