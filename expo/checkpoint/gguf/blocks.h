#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "expo/core/dtype.h"

namespace expo {

/// The storage of a tensor's elements in ggml: blocks of `elements` values that take `bytes` bytes.
/// A type that is stored plainly has blocks of one value and names its DType.
struct GgmlFormat {
  std::uint32_t id = 0;  ///< its number in GGUF files (`ggml_type`)
  std::string name;      ///< "Q4_1", as ggml spells it
  std::uint64_t elements = 1;
  std::uint64_t bytes = 0;  ///< 0 for a format that is known by name only
  std::optional<DType> plain;

  bool readable() const { return bytes != 0; }
};

/// The format with that number, or std::nullopt if ggml has none. F32, F16, BF16, F64, I8, I16,
/// I32, I64, Q4_0, Q4_1 and Q8_0 are readable; all others are known by name only.
std::optional<GgmlFormat> ggml_format(std::uint32_t id);

/// The format of a type that is stored plainly, or std::nullopt if ggml has none.
std::optional<GgmlFormat> ggml_format_of(DType dtype);
/// The number of the format Q8_0.
inline constexpr std::uint32_t kGgmlQ8_0 = 8;

/// Dequantises the values [skip, skip + values.size()) of consecutive blocks of Q8_0, Q4_0 or Q4_1
/// as ggml's reference (`dequantize_row_*`) does, in float32. `blocks` starts at a block and holds
/// every block that is needed. Throws Error(usage) for any other format.
void dequantise(const GgmlFormat& format, std::span<const std::byte> blocks, std::uint64_t skip,
                std::span<float> values);

/// Quantises to Q8_0 bit for bit as ggml's reference does: 34 bytes for every 32 float32 values.
/// Throws Error(usage) if the lengths do not match that.
void quantise_q8_0(std::span<const float> values, std::span<std::byte> blocks);

}  // namespace expo
