#include "expo/generation/packed_chunks.h"

#include <algorithm>
#include <numeric>

namespace expo {

std::vector<std::vector<std::size_t>> packed_chunks(std::span<const std::size_t> lengths,
                                                    std::size_t token_budget) {
  std::vector<std::size_t> order(lengths.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::ranges::greater(),
                           [&](std::size_t index) { return lengths[index]; });
  std::vector<std::vector<std::size_t>> chunks;
  std::size_t tokens = 0;
  for (const std::size_t index : order) {
    if (chunks.empty() || tokens + lengths[index] > token_budget) {
      chunks.emplace_back();
      tokens = 0;
    }
    chunks.back().push_back(index);
    tokens += lengths[index];
  }
  return chunks;
}

}  // namespace expo
