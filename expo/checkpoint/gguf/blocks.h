#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "expo/core/dtype.h"

namespace expo {

/// How ggml stores the elements of a tensor: in blocks of `elements` values that take `bytes`
/// bytes. A plainly stored type has blocks of one value and names its DType.
struct GgmlFormat {
  std::uint32_t id = 0;  ///< the number that stands in GGUF files (`ggml_type`)
  std::string name;      ///< "Q4_1", as ggml spells it
  std::uint64_t elements = 1;
  std::uint64_t bytes = 0;  ///< 0 for a format that is known by name only
  std::optional<DType> plain;

  bool readable() const { return bytes != 0; }
};

/// The format with that number, or nothing where ggml has none: F32, F16, BF16, F64, I8, I16, I32,
/// I64, Q4_0, Q4_1 and Q8_0 are readable, all others are known by name only.
std::optional<GgmlFormat> ggml_format(std::uint32_t id);

/// The format of a plainly stored type, or nothing where ggml has none.
std::optional<GgmlFormat> ggml_format_of(DType dtype);
inline constexpr std::uint32_t kGgmlQ8_0 = 8;

/// Values [skip, skip + values.size()) of consecutive blocks of Q8_0, Q4_0 or Q4_1, as ggml's
/// reference (`dequantize_row_*`) computes them in float32. `blocks` starts at a block and holds
/// every block that is asked for. Throws usage for another format.
void dequantise(const GgmlFormat& format, std::span<const std::byte> blocks, std::uint64_t skip,
                std::span<float> values);

/// ggml's reference quantisation to Q8_0: 34 bytes per 32 float32 values, bit for bit. Throws usage
/// for lengths that do not fit that.
void quantise_q8_0(std::span<const float> values, std::span<std::byte> blocks);

}  // namespace expo
