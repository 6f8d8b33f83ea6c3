#include "expo/engine/engine_spec.h"

#include "expo/core/device_word.h"
#include "expo/core/error.h"

namespace expo {

void EmbeddedSpec::check() const {
  parse_device_word(device);
  parse_running_dtype(dtype);
}

std::optional<DType> parse_running_dtype(const std::string& word) {
  if (word == "auto") return std::nullopt;
  const auto dtype = dtype_from_user(word);
  if (dtype == DType::f32 || dtype == DType::bf16) return dtype;
  throw usage_error("--dtype: \"" + word +
                    "\" is not a type that models run in; expected auto, f32 or bf16");
}

bool needs_libtorch(const EngineSpec& spec) {
  return std::visit([](const auto& kind) { return kind.needs_libtorch; }, spec);
}

void check(const EngineSpec& spec) {
  std::visit([](const auto& kind) { kind.check(); }, spec);
}

}  // namespace expo
