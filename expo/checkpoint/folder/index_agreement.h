#pragma once

#include <cstddef>
#include <vector>

#include "expo/checkpoint/folder/weight_index.h"
#include "expo/checkpoint/tensor.h"

namespace expo {

/// Holds an index against the tensors that its files hold; `file_of[i]` is the file of tensors[i],
/// as a place in weights.files. Throws Error(input) naming index, tensor and file for a tensor that
/// the index puts into a file that lacks it, and for one that the index lacks.
void check_index_agreement(const WeightFiles& weights, const std::vector<Tensor>& tensors,
                           const std::vector<std::size_t>& file_of);

}  // namespace expo
