// Reads any bytes as a safetensors header over a data size taken from the first bytes.
#include <cstdint>
#include <cstring>
#include <string_view>

#include "expo/checkpoint/safetensors/header.h"
#include "expo/core/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  std::uint16_t data_size = 0;
  std::memcpy(&data_size, data, 2);
  try {
    const auto header = expo::parse_safetensors_header(
        {reinterpret_cast<const char*>(data) + 2, size - 2}, data_size, "fuzz");
    std::uint64_t position = 0;
    for (const auto& entry : header.entries) {
      if (entry.begin != position) __builtin_trap();
      position = entry.end;
    }
    if (position != data_size) __builtin_trap();
  } catch (const expo::Error&) {
  }
  return 0;
}
