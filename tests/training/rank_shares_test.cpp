#include "expo/training/ranks/shares.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

namespace expo {
namespace {

std::vector<Example> of_lengths(const std::vector<std::size_t>& lengths) {
  std::vector<Example> examples;
  for (const std::size_t length : lengths) {
    const TokenRow row =
        token_row(std::vector<TokenId>(length, 1), std::vector<bool>(length, true));
    examples.push_back({{row}, "row " + std::to_string(examples.size()), {}});
  }
  return examples;
}

std::vector<const Example*> pointers_to(const std::vector<Example>& examples) {
  std::vector<const Example*> pointers;
  for (const Example& example : examples) pointers.push_back(&example);
  return pointers;
}

std::int64_t tokens_of(const std::vector<const Example*>& examples) {
  return std::accumulate(examples.begin(), examples.end(), std::int64_t{0},
                         [](std::int64_t sum, const Example* one) { return sum + one->tokens(); });
}

TEST(RankShares, AreEveryExampleOnceInOrder) {
  const auto seed = std::random_device{}();
  RecordProperty("seed", static_cast<int>(seed));
  std::mt19937 draw(seed);
  for (int round = 0; round < 50; ++round) {
    std::vector<std::size_t> lengths(draw() % 40);
    for (std::size_t& length : lengths) length = 1 + draw() % 1000;
    const auto examples = of_lengths(lengths);
    const auto all = pointers_to(examples);
    const int ranks = 1 + static_cast<int>(draw() % 5);
    std::vector<const Example*> together;
    for (int rank = 0; rank < ranks; ++rank) {
      const auto share = share_of(all, rank, ranks);
      EXPECT_TRUE(std::ranges::is_sorted(share)) << "seed " << seed;
      together.insert(together.end(), share.begin(), share.end());
    }
    std::ranges::sort(together);
    EXPECT_EQ(together, all) << "seed " << seed;
  }
}

/// Dealt by number, one of two ranks would have 5 times the tokens of the other.
TEST(RankShares, TakeAboutAsLongAsEachOther) {
  const auto examples = of_lengths({900, 20, 30, 40, 300, 310, 290, 10, 880, 25, 35, 45});
  const auto all = pointers_to(examples);
  const double mean = static_cast<double>(tokens_of(all)) / 2;
  for (int rank = 0; rank < 2; ++rank)
    EXPECT_LT(static_cast<double>(tokens_of(share_of(all, rank, 2))), 1.05 * mean);
}

}  // namespace
}  // namespace expo
