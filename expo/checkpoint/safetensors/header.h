#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "expo/core/disk/filesystem.h"
#include "expo/core/dtype.h"

namespace expo {

struct SafetensorsEntry {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::uint64_t> shape;
  std::uint64_t begin = 0;  ///< from the start of the data
  std::uint64_t end = 0;
};

/// A checked safetensors header (the format is described in the safetensors README, "Format"). The
/// checks are stricter than the reference implementation: duplicate names and unknown fields are
/// refused.
struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  ///< sorted by offset
  std::uint64_t data_offset = 0;          ///< where the data starts in the file
};

/// Largest header that the format allows.
inline constexpr std::uint64_t kMaxSafetensorsHeader = 100'000'000;

/// Checks the JSON of a header against the size of the data behind it. Throws Error(input); `where`
/// names the file.
SafetensorsHeader parse_safetensors_header(std::string_view json, std::uint64_t data_size,
                                           const std::string& where);

/// Reads and checks the header of an open file.
SafetensorsHeader read_safetensors_header(const ReadableFile& file);

}  // namespace expo
