#pragma once

#include <ATen/ATen.h>

#include <string>

#include "expo/checkpoint/checkpoint.h"
#include "expo/model/architecture.h"

namespace expo {

/// Whether a checkpoint may hold this tensor although the forward pass does not read it: it
/// computes the values itself, or the head is tied.
bool is_spare(const std::string& name, const Architecture& architecture);

/// The index in the checkpoint of a tensor that the architecture requires. Throws Error(input)
/// naming it if it is missing, has another shape than `target`, or does not hold floating-point
/// values.
std::size_t require_tensor(const Checkpoint& checkpoint, const std::string& name,
                           const at::Tensor& target, const Architecture& architecture);

}  // namespace expo
