#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "expo/checkpoint/folder/weight_index.h"
#include "expo/checkpoint/tensor.h"

namespace expo {

/// Marks the stale copies among the tensors of an index's files: a tensor that the index assigns to
/// another file which holds it too. The index decides, in whatever order the files come; a sentence
/// in `warnings` names the copy, its file and the file that is used (after a few, only how many
/// more there are). All false where there is no index. `file_of` as below.
std::vector<bool> find_stale_copies(const WeightFiles& weights, const std::vector<Tensor>& tensors,
                                    const std::vector<std::size_t>& file_of,
                                    std::vector<std::string>& warnings);

/// Throws Error(input) naming tensor and both files where two files hold tensors of one name, for
/// files that no index stands over.
void check_no_copies(const WeightFiles& weights, const std::vector<Tensor>& tensors,
                     const std::vector<std::size_t>& file_of);

/// Removes the items that are marked; both are of one length.
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

/// Holds an index against the tensors that its files hold; `file_of[i]` is the file of tensors[i],
/// as a place in weights.files. Throws Error(input) naming index, tensor and file for a tensor that
/// the index puts into a file that lacks it, and for one that the index lacks. Stale copies must be
/// gone by then.
void check_index_agreement(const WeightFiles& weights, const std::vector<Tensor>& tensors,
                           const std::vector<std::size_t>& file_of);

}  // namespace expo
