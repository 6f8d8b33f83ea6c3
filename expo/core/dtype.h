#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace expo {

/// The element types of tensors: those of the safetensors format, all little-endian; the
/// floating-point ones follow IEEE 754.
enum class DType : std::uint8_t {
  boolean,
  f4,
  f6_e2m3,
  f6_e3m2,
  u8,
  i8,
  f8_e5m2,
  f8_e4m3,
  f8_e8m0,
  f8_e4m3fnuz,
  f8_e5m2fnuz,
  i16,
  u16,
  f16,
  bf16,
  i32,
  u32,
  f32,
  c64,
  f64,
  i64,
  u64,
};

/// Bits of one element: 4, 6, 8, 16, 32 or 64.
unsigned bit_width(DType dtype) noexcept;

/// Bytes of one element. Throws Error(usage) for the types that do not fill whole bytes (f4,
/// f6_e2m3, f6_e3m2).
std::size_t byte_width(DType dtype);

/// True for f16, bf16, f32 and f64: the types that the arithmetic reads and writes.
bool supports_arithmetic(DType dtype) noexcept;

/// True for every floating-point or complex type, including FP8 and narrower.
bool is_floating(DType dtype) noexcept;

/// Bytes of `elements` values, or std::nullopt if their bits overflow 64 bits or do not fill whole
/// bytes.
std::optional<std::uint64_t> byte_size(DType dtype, std::uint64_t elements) noexcept;

/// The product of the dimensions (1 for rank 0), or std::nullopt if it, or the product of any
/// leading dimensions, does not fit in 64 bits (a later zero does not excuse an earlier overflow).
std::optional<std::uint64_t> element_count(std::span<const std::uint64_t> shape) noexcept;

/// The name in a safetensors header, such as "BF16". dtype_from_safetensors is its inverse; it is
/// case-sensitive and returns std::nullopt for any other name.
std::string_view safetensors_name(DType dtype) noexcept;
std::optional<DType> dtype_from_safetensors(std::string_view name) noexcept;

/// The name that PyTorch and the `dtype` of a config.json use, such as "bfloat16".
std::string_view torch_name(DType dtype) noexcept;

/// The type that a user's word for an output type names: bf16, bfloat16, f16, fp16, float16, half,
/// f32, fp32, float32, float, f64, fp64, float64 or double, in any case. std::nullopt for any other
/// word.
std::optional<DType> dtype_from_user(std::string_view word);

}  // namespace expo
