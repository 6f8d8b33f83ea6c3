#include "expo/checkpoint/output_layout.h"

#include <fmt/format.h>

#include "expo/checkpoint/tensor.h"
#include "expo/core/error.h"

namespace expo {
namespace {

constexpr std::uint64_t kLargestOutput = std::uint64_t{1} << 62;

/// The size of Q8_0 data: 34 bytes for every 32 values; rows consist of whole blocks.
std::optional<std::uint64_t> q8_0_size(std::uint64_t elements) {
  std::uint64_t bytes = 0;
  if (__builtin_mul_overflow(elements / 32, std::uint64_t{34}, &bytes)) return std::nullopt;
  return bytes;
}

}  // namespace

std::uint64_t OutputTensor::bytes() const {
  const auto elements = element_count(shape);
  std::optional<std::uint64_t> size;
  if (elements) {
    size = encoding == Encoding::q8_0 ? q8_0_size(*elements) : byte_size(dtype, *elements);
  }
  if (!size) {
    throw input_error(fmt::format(
        "the tensor \"{}\" of shape {} as {} has no size in whole bytes below 2^64; the input is "
        "damaged",
        name, format_shape(shape), torch_name(dtype)));
  }
  return *size;
}

void check_output_size(const std::vector<OutputTensor>& tensors) {
  std::uint64_t total = 0;
  for (const OutputTensor& tensor : tensors) {
    if (__builtin_add_overflow(total, tensor.bytes(), &total) || total >= kLargestOutput) {
      throw input_error(fmt::format(
          "the tensors of the output up to \"{}\" take 2^62 bytes or more, which no disk holds; "
          "the input is damaged",
          tensor.name));
    }
  }
}

}  // namespace expo
