#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "expo/core/dtype.h"

namespace expo {

/// The place of a tensor whose bytes are contiguous: an index into Checkpoint::files(), and bytes.
struct Extent {
  std::size_t file = 0;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

/// One tensor of a checkpoint, under its Hugging Face name, row-major.
struct Tensor {
  std::string name;
  std::vector<std::uint64_t> shape;
  /// The type of the values that Checkpoint::read returns: the stored type, or f32 for dequantised
  /// GGUF blocks, or f64 if a LoRA update is added on the fly.
  DType dtype = DType::f32;
  /// The default type in an output: the stored type, or under a LoRA adapter the base's type.
  DType nominal = DType::f32;
  /// The storage format as spelled in its own specification: "BF16", "Q4_1".
  std::string stored;
  /// The tensor's bytes on disk, for readers that go through a file in order; std::nullopt if they
  /// are scattered.
  std::optional<Extent> extent;

  std::uint64_t elements() const { return *element_count(shape); }  ///< checked by every reader
};

/// The floating-point type with the largest amount (of bytes or elements), as the dtype of a
/// config.json states it; float32 if there is none.
DType main_dtype(const std::map<DType, std::uint64_t>& amounts);

/// A shape as text: "[4096, 11008]".
std::string format_shape(const std::vector<std::uint64_t>& shape);

}  // namespace expo
