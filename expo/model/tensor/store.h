#pragma once

#include <memory>

#include "expo/model/weight_store.h"

namespace expo {

/// Makes a store of row-major tensors on any device, CPU or CUDA.
std::unique_ptr<WeightStore> make_tensor_store(const Architecture& architecture, DType dtype,
                                               at::Device device);

}  // namespace expo
