#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "expo/checkpoint/folder/weight_index.h"
#include "expo/checkpoint/tensor.h"

namespace expo {

/// Marks the stale copies among the tensors of an index's files. A tensor is a stale copy if the
/// index assigns its name to another file, which holds it too. The index decides, whatever the
/// order of the files. A sentence in `warnings` names each copy, its file and the file that is used
/// (after a few, only the number of the rest). Without an index, all marks are false. `file_of` is
/// described below.
std::vector<bool> find_stale_copies(const WeightFiles& weights, const std::vector<Tensor>& tensors,
                                    const std::vector<std::size_t>& file_of,
                                    std::vector<std::string>& warnings);

/// For files without an index: throws Error(input) naming the tensor and both files if two files
/// hold tensors of the same name.
void check_no_copies(const WeightFiles& weights, const std::vector<Tensor>& tensors,
                     const std::vector<std::size_t>& file_of);

/// Removes the items that are marked; both arguments have the same length.
template <typename Item>
void erase_marked(std::vector<Item>& items, const std::vector<bool>& marked) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (marked[i]) continue;
    if (kept != i) items[kept] = std::move(items[i]);
    ++kept;
  }
  items.erase(items.begin() + static_cast<std::ptrdiff_t>(kept), items.end());
}

/// Checks an index against the tensors that its files hold; `file_of[i]` is the file of tensors[i],
/// as an index into weights.files. Throws Error(input) naming index, tensor and file if the index
/// assigns a tensor to a file that lacks it, or if the index lacks a tensor. Stale copies must have
/// been removed before.
void check_index_agreement(const WeightFiles& weights, const std::vector<Tensor>& tensors,
                           const std::vector<std::size_t>& file_of);

}  // namespace expo
