#include "expo/checkpoint/gguf/blocks.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "expo/core/error.h"
#include "expo/core/float_formats.h"

namespace expo {
namespace {

constexpr std::size_t kBlock = 32;  // values in a block of every format that is decoded here

struct Row {
  std::uint32_t id;
  const char* name;
  std::uint64_t elements;
  std::uint64_t bytes;
  std::optional<DType> plain;
};

// Numbers and names come from enum ggml_type of ggml.h. Gaps are types that ggml has removed.
constexpr std::array kFormats{
    Row{0, "F32", 1, 4, DType::f32},          Row{1, "F16", 1, 2, DType::f16},
    Row{2, "Q4_0", 32, 18, std::nullopt},     Row{3, "Q4_1", 32, 20, std::nullopt},
    Row{6, "Q5_0", 32, 0, std::nullopt},      Row{7, "Q5_1", 32, 0, std::nullopt},
    Row{8, "Q8_0", 32, 34, std::nullopt},     Row{9, "Q8_1", 32, 0, std::nullopt},
    Row{10, "Q2_K", 256, 0, std::nullopt},    Row{11, "Q3_K", 256, 0, std::nullopt},
    Row{12, "Q4_K", 256, 0, std::nullopt},    Row{13, "Q5_K", 256, 0, std::nullopt},
    Row{14, "Q6_K", 256, 0, std::nullopt},    Row{15, "Q8_K", 256, 0, std::nullopt},
    Row{16, "IQ2_XXS", 256, 0, std::nullopt}, Row{17, "IQ2_XS", 256, 0, std::nullopt},
    Row{18, "IQ3_XXS", 256, 0, std::nullopt}, Row{19, "IQ1_S", 256, 0, std::nullopt},
    Row{20, "IQ4_NL", 32, 0, std::nullopt},   Row{21, "IQ3_S", 256, 0, std::nullopt},
    Row{22, "IQ2_S", 256, 0, std::nullopt},   Row{23, "IQ4_XS", 256, 0, std::nullopt},
    Row{24, "I8", 1, 1, DType::i8},           Row{25, "I16", 1, 2, DType::i16},
    Row{26, "I32", 1, 4, DType::i32},         Row{27, "I64", 1, 8, DType::i64},
    Row{28, "F64", 1, 8, DType::f64},         Row{29, "IQ1_M", 256, 0, std::nullopt},
    Row{30, "BF16", 1, 2, DType::bf16},       Row{34, "TQ1_0", 256, 0, std::nullopt},
    Row{35, "TQ2_0", 256, 0, std::nullopt},   Row{39, "MXFP4", 32, 0, std::nullopt},
    Row{40, "NVFP4", 64, 0, std::nullopt},
};

template <typename Predicate>
std::optional<GgmlFormat> find_format(Predicate predicate) {
  const auto* row = std::ranges::find_if(kFormats, predicate);
  if (row == kFormats.end()) return std::nullopt;
  return GgmlFormat{row->id, row->name, row->elements, row->bytes, row->plain};
}

float load_half(const std::byte* bytes) {
  std::uint16_t half = 0;
  std::memcpy(&half, bytes, sizeof(half));
  return static_cast<float>(f16_to_double(half));
}

// Each function decodes one whole block. Low nibbles hold the first half of the values, high
// nibbles the second half.

void decode_q8_0(const std::byte* block, float* values) {
  const float scale = load_half(block);
  std::array<std::int8_t, kBlock> quants{};
  std::memcpy(quants.data(), block + 2, kBlock);
  for (std::size_t i = 0; i < kBlock; ++i) values[i] = static_cast<float>(quants[i]) * scale;
}

void decode_q4_0(const std::byte* block, float* values) {
  const float scale = load_half(block);
  for (std::size_t i = 0; i < kBlock / 2; ++i) {
    const int pair = std::to_integer<int>(block[2 + i]);
    values[i] = static_cast<float>((pair & 15) - 8) * scale;
    values[i + kBlock / 2] = static_cast<float>((pair >> 4) - 8) * scale;
  }
}

void decode_q4_1(const std::byte* block, float* values) {
  const float scale = load_half(block);
  const float minimum = load_half(block + 2);
  for (std::size_t i = 0; i < kBlock / 2; ++i) {
    const int pair = std::to_integer<int>(block[4 + i]);
    values[i] = static_cast<float>(pair & 15) * scale + minimum;
    values[i + kBlock / 2] = static_cast<float>(pair >> 4) * scale + minimum;
  }
}

using Decoder = void (*)(const std::byte*, float*);

Decoder decoder_of(const GgmlFormat& format) {
  switch (format.id) {
    case 2:
      return decode_q4_0;
    case 3:
      return decode_q4_1;
    case kGgmlQ8_0:
      return decode_q8_0;
    default:
      throw usage_error(
          format.name +
          " is not a block format that can be dequantised; expected Q8_0, Q4_0 or Q4_1");
  }
}

/// std::round for |value| < 2^31 without a call into the mathematics library: halves are rounded
/// away from zero.
int round_away(float value) {
  const int whole = static_cast<int>(value);
  const float rest = value - static_cast<float>(whole);
  return whole + static_cast<int>(rest >= 0.5F) - static_cast<int>(rest <= -0.5F);
}

/// Quantises one block. A block with a NaN or an infinity has no valid scale: its scale becomes
/// NaN, so that all of it reads as NaN.
void quantise_block(const float* values, std::byte* block) {
  float largest = 0;
  bool finite = true;
  for (std::size_t i = 0; i < kBlock; ++i) {
    largest = std::max(largest, std::fabs(values[i]));
    finite = finite && std::fabs(values[i]) <= std::numeric_limits<float>::max();
  }
  const float scale = finite ? largest / 127 : std::numeric_limits<float>::quiet_NaN();
  float inverse = scale != 0 ? 1.0F / scale : 0.0F;
  // A scale below 2^-128 has no finite inverse; as a half it becomes zero, and so do the values.
  if (!(inverse <= std::numeric_limits<float>::max())) inverse = 0;
  const std::uint16_t half = double_to_f16(scale);
  std::memcpy(block, &half, sizeof(half));
  std::array<std::int8_t, kBlock> quants{};
  if (finite) {
    for (std::size_t i = 0; i < kBlock; ++i)
      quants[i] = static_cast<std::int8_t>(round_away(values[i] * inverse));
  }
  std::memcpy(block + 2, quants.data(), kBlock);
}

}  // namespace

std::optional<GgmlFormat> ggml_format(std::uint32_t id) {
  return find_format([id](const Row& row) { return row.id == id; });
}

std::optional<GgmlFormat> ggml_format_of(DType dtype) {
  return find_format([dtype](const Row& row) { return row.plain == dtype; });
}

void dequantise(const GgmlFormat& format, std::span<const std::byte> blocks, std::uint64_t skip,
                std::span<float> values) {
  const Decoder decode = decoder_of(format);
  const std::byte* block = blocks.data() + skip / kBlock * format.bytes;
  auto from = static_cast<std::size_t>(skip % kBlock);
  std::array<float, kBlock> partial{};
  for (std::size_t done = 0; done < values.size(); block += format.bytes) {
    const std::size_t count = std::min(kBlock - from, values.size() - done);
    if (count == kBlock) {
      decode(block, values.data() + done);
    } else {
      decode(block, partial.data());
      std::copy_n(partial.data() + from, count, values.data() + done);
    }
    done += count;
    from = 0;
  }
}

void quantise_q8_0(std::span<const float> values, std::span<std::byte> blocks) {
  if (values.size() % kBlock != 0 || blocks.size() != values.size() / kBlock * 34)
    throw usage_error("Q8_0 needs whole blocks of 32 values, and 34 bytes of output for each");
  for (std::size_t i = 0; i < values.size() / kBlock; ++i)
    quantise_block(values.data() + i * kBlock, blocks.data() + i * 34);
}

}  // namespace expo
