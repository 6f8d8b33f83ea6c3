#include "expo/extrapolation/plan/tensor_blocks.h"

#include <gtest/gtest.h>

namespace expo {
namespace {

std::vector<TensorBlock> cut(std::uint64_t elements, std::uint64_t row, bool sample) {
  std::vector<TensorBlock> blocks;
  append_blocks(5, elements, row, sample, blocks);
  return blocks;
}

TEST(TensorBlocks, CoverEveryElementOnceInOrder) {
  for (const std::uint64_t elements :
       {1ull, 1000ull, 1ull << 20, (1ull << 20) + 1, 10'000'000ull}) {
    for (const std::uint64_t row : {0ull, 1ull, 3000ull, 3'000'000ull}) {
      std::uint64_t next = 0;
      for (const TensorBlock& block : cut(elements, row, false)) {
        EXPECT_EQ(block.tensor, 5u);
        EXPECT_EQ(block.first, next);
        EXPECT_GT(block.count, 0u);
        EXPECT_LE(block.count, 1u << 20);
        next = block.first + block.count;
      }
      EXPECT_EQ(next, elements) << elements << " in rows of " << row;
    }
  }
}

TEST(TensorBlocks, KeepRowsWhole) {
  for (const bool sample : {false, true}) {
    for (const TensorBlock& block : cut(3000 * 5000, 3000, sample)) {
      EXPECT_EQ(block.first % 3000, 0u);
      EXPECT_EQ(block.count % 3000, 0u);
    }
  }
}

TEST(TensorBlocks, ASampleIsASixteenthOfALargeTensorAndAllOfASmallOne) {
  const auto sum = [](const std::vector<TensorBlock>& blocks) {
    std::uint64_t count = 0;
    for (const TensorBlock& block : blocks) count += block.count;
    return count;
  };
  EXPECT_EQ(sum(cut(200'000, 0, true)), 200'000u);
  EXPECT_EQ(sum(cut(1ull << 26, 0, true)), 1ull << 22);
}

TEST(TensorBlocks, NothingOfAnEmptyTensor) {
  EXPECT_TRUE(cut(0, 16, false).empty());
  EXPECT_TRUE(cut(0, 0, true).empty());
}

}  // namespace
}  // namespace expo
