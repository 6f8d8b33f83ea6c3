#include "expo/training/ranks/shares.h"

#include <algorithm>
#include <functional>
#include <numeric>

namespace expo {

std::vector<const Example*> share_of(std::span<const Example* const> examples, int rank,
                                     int ranks) {
  if (ranks == 1) return {examples.begin(), examples.end()};
  std::vector<std::size_t> order(examples.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::greater(),
                           [&](std::size_t i) { return examples[i]->tokens(); });
  std::vector<std::int64_t> tokens(static_cast<std::size_t>(ranks));
  std::vector<std::size_t> mine;
  for (const std::size_t i : order) {
    const auto least = std::ranges::min_element(tokens);
    *least += examples[i]->tokens();
    if (least - tokens.begin() == rank) mine.push_back(i);
  }
  std::ranges::sort(mine);
  std::vector<const Example*> result;
  for (const std::size_t i : mine) result.push_back(examples[i]);
  return result;
}

}  // namespace expo
