#include "expo/extrapolation/plan/tensor_blocks.h"

#include <algorithm>

namespace expo {
namespace {

constexpr std::uint64_t kWholeBlock = std::uint64_t{1} << 20;
constexpr std::uint64_t kSampleBlock = std::uint64_t{1} << 16;
constexpr std::uint64_t kSampleStride = 16;
constexpr std::uint64_t kSmallTensor = 4;  ///< in sample blocks; read whole

std::uint64_t block_size(std::uint64_t target, std::uint64_t row) {
  return row == 0 || row > target ? target : target / row * row;
}

}  // namespace

void append_blocks(std::size_t tensor, std::uint64_t elements, std::uint64_t row, bool sample,
                   std::vector<TensorBlock>& blocks) {
  const std::uint64_t size = block_size(sample ? kSampleBlock : kWholeBlock, row);
  const bool whole = !sample || elements <= kSmallTensor * size;
  const std::uint64_t step = whole ? size : size * kSampleStride;
  for (std::uint64_t first = 0; first < elements;) {
    blocks.push_back({tensor, first, std::min(size, elements - first)});
    if (elements - first <= step) break;  // first + step might not fit in 64 bits
    first += step;
  }
}

}  // namespace expo
