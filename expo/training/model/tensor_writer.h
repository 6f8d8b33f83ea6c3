#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "expo/checkpoint/output_layout.h"
#include "expo/core/disk/filesystem.h"

namespace expo {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

/// The PyTorch type of float32, bfloat16, float16 or float64; throws Error(usage) for other types.
at::ScalarType scalar_type_of(DType dtype);

/// Writes floating-point tensors into `folder` as the safetensors shards of a model, with their
/// index, rounded to nearest. Returns the layout.
std::vector<OutputTensor> write_model_tensors(Filesystem& filesystem,
                                              const std::filesystem::path& folder,
                                              const NamedTensors& tensors, DType dtype);

/// Writes one safetensors file of that name.
void write_tensor_file(Filesystem& filesystem, const std::filesystem::path& path,
                       const NamedTensors& tensors, DType dtype);

}  // namespace expo
