#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "expo/core/dtype.h"

namespace expo {

/// How a tensor's values are encoded in the output.
enum class Encoding {
  plain,  ///< values of `dtype`, little-endian
  q8_0,   ///< GGUF blocks of 32 values: an f16 scale and 32 int8 (34 bytes), made from float32
          ///< values
};

/// A tensor to be written.
struct OutputTensor {
  std::string name;
  std::vector<std::uint64_t> shape;
  DType dtype = DType::f32;  ///< for q8_0: f32, the type of the values that are quantised
  Encoding encoding = Encoding::plain;

  /// The encoded size; throws Error(input) if it does not fit in 64 bits.
  std::uint64_t bytes() const;
};

/// The place of an output tensor's bytes in a file.
struct OutputPiece {
  std::size_t tensor = 0;  ///< index into the tensors that were laid out
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

/// One file to be written: `head` at offset 0 and the pieces at their offsets (ascending), with
/// zeros in between.
struct OutputFile {
  std::string name;
  std::string head;
  std::vector<OutputPiece> pieces;
  std::uint64_t size = 0;
};

/// Throws Error(input) if the tensors together take 2^62 bytes or more: below that, no sum over
/// them with their headers and padding wraps around.
void check_output_size(const std::vector<OutputTensor>& tensors);

/// The files of an output and their index.
struct OutputLayout {
  std::vector<OutputFile> files;
  std::string index_name;  ///< empty for a single file
  std::string index_text;
};

}  // namespace expo
