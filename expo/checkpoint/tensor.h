#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "expo/core/dtype.h"

namespace expo {

/// Where a tensor's bytes lie when they lie in one piece: an index into Checkpoint::files(), and
/// bytes.
struct Extent {
  std::size_t file = 0;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

/// One tensor of a checkpoint, under its Hugging Face name, row-major.
struct Tensor {
  std::string name;
  std::vector<std::uint64_t> shape;
  /// Type of the values that Checkpoint::read delivers: the stored type, or f32 for dequantised
  /// GGUF blocks, or f64 where a LoRA update is added on the fly.
  DType dtype = DType::f32;
  /// The type that an output takes by default: the stored type; the base's type under a LoRA
  /// adapter.
  DType nominal = DType::f32;
  /// The storage format as its own specification spells it: "BF16", "Q4_1".
  std::string stored;
  /// The bytes of this tensor on disk, for readers that go through a file in order; absent where
  /// scattered.
  std::optional<Extent> extent;

  std::uint64_t elements() const { return *element_count(shape); }  ///< checked by every reader
};

/// The floating type of the greatest amount (of bytes or elements), float32 where there is none:
/// what a config.json's dtype has to say.
DType main_dtype(const std::map<DType, std::uint64_t>& amounts);

/// "[4096, 11008]"
std::string format_shape(const std::vector<std::uint64_t>& shape);

}  // namespace expo
