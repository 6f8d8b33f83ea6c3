// Parses any bytes as an adapter_config.json, and asks what was accepted about modules.
#include <cmath>
#include <cstdint>
#include <string_view>

#include "expo/checkpoint/lora/config.h"
#include "expo/core/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto config =
        expo::parse_lora_config({reinterpret_cast<const char*>(data), size}, "fuzz");
    for (const char* module :
         {"model.layers.0.self_attn.q_proj", "lm_head", "h.1.attn.c_proj", ""}) {
      if (config.rank_of(module) == 0) __builtin_trap();
      if (std::isnan(config.scale_of(module))) __builtin_trap();
      if (config.saves(module) && config.modules_to_save.empty()) __builtin_trap();
    }
  } catch (const expo::Error&) {
  }
  return 0;
}
