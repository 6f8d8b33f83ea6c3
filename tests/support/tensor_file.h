#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "expo/core/dtype.h"

namespace expo {

/// A tensor for a file that is composed by hand; floats are rounded to the type.
struct FileTensor {
  std::string name;
  std::vector<std::uint64_t> shape;
  std::vector<double> values;
  DType dtype = DType::f32;
};

/// A safetensors file of the tensors in their order: f16, bf16, f32, f64, i64 or u8.
std::string tensor_file(const std::vector<FileTensor>& tensors);

}  // namespace expo
