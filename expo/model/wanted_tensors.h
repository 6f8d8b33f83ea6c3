#pragma once

#include <ATen/ATen.h>

#include <string>

#include "expo/checkpoint/checkpoint.h"
#include "expo/model/architecture.h"

namespace expo {

/// Tensors that checkpoints hold and a forward pass computes itself or, where the head is tied,
/// does not look at.
bool is_spare(const std::string& name, const Architecture& architecture);

/// Where a checkpoint holds a tensor that the architecture has. Throws Error(input) naming it where
/// it is missing, has another shape than `target`, or holds no floating values.
std::size_t require_tensor(const Checkpoint& checkpoint, const std::string& name,
                           const at::Tensor& target, const Architecture& architecture);

}  // namespace expo
