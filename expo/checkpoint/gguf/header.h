#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "expo/checkpoint/gguf/blocks.h"
#include "expo/checkpoint/gguf/metadata.h"
#include "expo/core/disk/filesystem.h"

namespace expo {

/// A tensor of a GGUF file.
struct GgufTensor {
  std::string name;
  std::vector<std::uint64_t> shape;  ///< row-major: the file's dimensions reversed
  GgmlFormat format;
  std::uint64_t offset = 0;  ///< from the beginning of the file
  std::uint64_t bytes = 0;
};

/// The checked header of a GGUF file.
struct GgufHeader {
  std::uint32_t version = 0;
  std::uint64_t alignment = 32;
  GgufMetadata metadata;
  std::vector<GgufTensor> tensors;  ///< in the file's order, which is that of their offsets
  std::uint64_t end = 0;            ///< end of the last tensor with padding, else of the header
};

/// The largest `general.alignment` and the largest header that are accepted; the headers of the
/// largest vocabularies stay below a tenth of it.
inline constexpr std::uint64_t kMaxGgufAlignment = std::uint64_t{1} << 20;
inline constexpr std::uint64_t kMaxGgufHeader = std::uint64_t{256} << 20;
/// The bytes of the longest tensor name.
inline constexpr std::size_t kMaxGgufName = 63;

/// Reads and checks the header of a GGUF file of version 2 or 3, little-endian (specification:
/// docs/gguf.md of ggml). Nothing is allocated for a count, string or array before the file is
/// known to have room for it. Beyond what the specification demands, it refuses duplicate and empty
/// keys, nested arrays, booleans other than 0 and 1, tensor names that are not UTF-8, holes and
/// overlaps in the data, tensors that end beyond the file, and block formats that cannot be read.
/// Throws Error(input) naming the file and the key or tensor.
GgufHeader read_gguf_header(const ReadableFile& file);

}  // namespace expo
