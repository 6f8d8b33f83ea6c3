#include "expo/core/dtype.h"

#include <algorithm>
#include <array>

#include "expo/core/error.h"
#include "expo/core/text.h"

namespace expo {
namespace {

struct Row {
  unsigned bits;
  bool floating;
  std::string_view safetensors;
  std::string_view torch;
};

// The rows are in the order of the enumeration.
constexpr std::array<Row, 22> kRows{{
    {8, false, "BOOL", "bool"},
    {4, true, "F4", "float4_e2m1fn_x2"},
    {6, true, "F6_E2M3", "float6_e2m3fn"},
    {6, true, "F6_E3M2", "float6_e3m2fn"},
    {8, false, "U8", "uint8"},
    {8, false, "I8", "int8"},
    {8, true, "F8_E5M2", "float8_e5m2"},
    {8, true, "F8_E4M3", "float8_e4m3fn"},
    {8, true, "F8_E8M0", "float8_e8m0fnu"},
    {8, true, "F8_E4M3FNUZ", "float8_e4m3fnuz"},
    {8, true, "F8_E5M2FNUZ", "float8_e5m2fnuz"},
    {16, false, "I16", "int16"},
    {16, false, "U16", "uint16"},
    {16, true, "F16", "float16"},
    {16, true, "BF16", "bfloat16"},
    {32, false, "I32", "int32"},
    {32, false, "U32", "uint32"},
    {32, true, "F32", "float32"},
    {64, true, "C64", "complex64"},
    {64, true, "F64", "float64"},
    {64, false, "I64", "int64"},
    {64, false, "U64", "uint64"},
}};

const Row& row(DType dtype) noexcept {
  return kRows[static_cast<std::size_t>(dtype)];
}

}  // namespace

unsigned bit_width(DType dtype) noexcept {
  return row(dtype).bits;
}

std::size_t byte_width(DType dtype) {
  if (bit_width(dtype) % 8 != 0) {
    throw usage_error("an element of type " + std::string(safetensors_name(dtype)) +
                      " does not fill whole bytes");
  }
  return bit_width(dtype) / 8;
}

bool supports_arithmetic(DType dtype) noexcept {
  return dtype == DType::f16 || dtype == DType::bf16 || dtype == DType::f32 || dtype == DType::f64;
}

bool is_floating(DType dtype) noexcept {
  return row(dtype).floating;
}

std::optional<std::uint64_t> byte_size(DType dtype, std::uint64_t elements) noexcept {
  std::uint64_t bits = 0;
  if (__builtin_mul_overflow(elements, std::uint64_t{bit_width(dtype)}, &bits) || bits % 8 != 0) {
    return std::nullopt;
  }
  return bits / 8;
}

std::optional<std::uint64_t> element_count(std::span<const std::uint64_t> shape) noexcept {
  std::uint64_t product = 1;
  for (const std::uint64_t dimension : shape) {
    if (__builtin_mul_overflow(product, dimension, &product)) return std::nullopt;
  }
  // A zero would hide an overflow of the dimensions that follow it: [0, huge, huge].
  std::uint64_t without_zeros = 1;
  for (const std::uint64_t dimension : shape) {
    if (dimension != 0 && __builtin_mul_overflow(without_zeros, dimension, &without_zeros)) {
      return std::nullopt;
    }
  }
  return product;
}

std::string_view safetensors_name(DType dtype) noexcept {
  return row(dtype).safetensors;
}

std::optional<DType> dtype_from_safetensors(std::string_view name) noexcept {
  const auto found = std::ranges::find(kRows, name, &Row::safetensors);
  if (found == kRows.end()) return std::nullopt;
  return static_cast<DType>(found - kRows.begin());
}

std::string_view torch_name(DType dtype) noexcept {
  return row(dtype).torch;
}

std::optional<DType> dtype_from_user(std::string_view word) {
  const std::string lower = lower_case(word);
  if (lower == "bf16" || lower == "bfloat16") return DType::bf16;
  if (lower == "f16" || lower == "fp16" || lower == "float16" || lower == "half") return DType::f16;
  if (lower == "f32" || lower == "fp32" || lower == "float32" || lower == "float")
    return DType::f32;
  if (lower == "f64" || lower == "fp64" || lower == "float64" || lower == "double")
    return DType::f64;
  return std::nullopt;
}

}  // namespace expo
