#include "expo/checkpoint/torch/strided_layout.h"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>
#include <random>

namespace expo {
namespace {

/// A storage in which element i has the value i, in little-endian bytes truncated to the width.
class Storage {
 public:
  Storage(std::uint64_t elements, std::size_t width) : bytes_(elements * width), width_(width) {
    for (std::uint64_t i = 0; i < elements; ++i) std::memcpy(&bytes_[i * width], &i, width);
  }

  StorageReader reader() {
    return [this](std::uint64_t first, std::uint64_t count) {
      EXPECT_LE((first + count) * width_, bytes_.size());
      largest = std::max<std::uint64_t>(largest, count * width_);
      total += count * width_;
      ++calls;
      // A separate copy, because nothing beyond the requested range may be touched.
      window_.assign(bytes_.begin() + static_cast<std::ptrdiff_t>(first * width_),
                     bytes_.begin() + static_cast<std::ptrdiff_t>((first + count) * width_));
      return std::span<const std::byte>(window_);
    };
  }

  std::uint64_t largest = 0;
  std::uint64_t total = 0;
  std::uint64_t calls = 0;

 private:
  std::vector<std::byte> bytes_;
  std::vector<std::byte> window_;
  std::size_t width_;
};

/// The storage elements of all elements of the tensor, found index by index.
std::vector<std::uint64_t> count_out(const StridedLayout& layout) {
  std::vector<std::uint64_t> places;
  std::vector<std::uint64_t> index(layout.shape.size(), 0);
  for (;;) {
    std::uint64_t place = layout.offset;
    for (std::size_t d = 0; d < index.size(); ++d) place += index[d] * layout.stride[d];
    places.push_back(place);
    std::size_t d = index.size();
    while (d > 0 && ++index[d - 1] == layout.shape[d - 1]) index[--d] = 0;
    if (d == 0) return places;
  }
}

std::vector<std::uint64_t> gathered(const StridedLayout& layout, std::uint64_t first,
                                    std::uint64_t count, std::size_t width, Storage& storage) {
  std::vector<std::byte> out(count * width);
  gather(layout, first, count, width, storage.reader(), out.data());
  std::vector<std::uint64_t> values(count, 0);
  for (std::uint64_t i = 0; i < count; ++i) std::memcpy(&values[i], &out[i * width], width);
  return values;
}

TEST(StridedLayout, ReachesItsLastElement) {
  EXPECT_EQ(reach({5, {}, {}}), 6u);
  EXPECT_EQ(reach({2, {3, 4}, {4, 1}}), 14u);
  EXPECT_EQ(reach({2, {3, 4}, {0, 0}}), 3u);
  EXPECT_EQ(reach({~0ull, {3, 0}, {~0ull, ~0ull}}), 0u);
  EXPECT_EQ(reach({0, {1}, {~0ull}}), 1u);
  EXPECT_EQ(reach({~0ull, {}, {}}), std::nullopt);
  EXPECT_EQ(reach({0, {3}, {1ull << 63}}), std::nullopt);
  EXPECT_EQ(reach({1ull << 63, {2}, {1ull << 63}}), std::nullopt);
  EXPECT_EQ(reach({0, {2, 2}, {1ull << 63, 1ull << 63}}), std::nullopt);
}

TEST(StridedLayout, KnowsContiguousOnes) {
  EXPECT_TRUE(is_contiguous({0, {3, 4}, {4, 1}}));
  EXPECT_TRUE(is_contiguous({7, {3, 1, 4}, {4, 99, 1}}));
  EXPECT_TRUE(is_contiguous({0, {}, {}}));
  EXPECT_TRUE(is_contiguous({0, {0, 4}, {9, 9}}));
  EXPECT_TRUE(is_contiguous({0, {1}, {0}}));
  EXPECT_FALSE(is_contiguous({0, {4, 3}, {1, 4}}));
  EXPECT_FALSE(is_contiguous({0, {3, 4}, {5, 1}}));
  EXPECT_FALSE(is_contiguous({0, {2}, {0}}));
  EXPECT_FALSE(is_contiguous({0, {2}, {2}}));
}

TEST(StridedLayout, GathersAnyRangeOfAnyLayout) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto below = [&](std::uint64_t limit) { return random() % limit; };
  for (int round = 0; round < 400; ++round) {
    StridedLayout layout;
    layout.offset = below(20);
    const std::size_t rank = below(5);
    for (std::size_t d = 0; d < rank; ++d) {
      layout.shape.push_back(1 + below(7));
      layout.stride.push_back(below(4) == 0 ? 0 : below(60));
    }
    const auto places = count_out(layout);
    const std::size_t width = std::size_t{1} << (1 + below(3));
    Storage storage(*reach(layout), width);
    const std::uint64_t first = below(places.size());
    const std::uint64_t count = 1 + below(places.size() - first);
    const std::vector<std::uint64_t> expected(
        places.begin() + static_cast<std::ptrdiff_t>(first),
        places.begin() + static_cast<std::ptrdiff_t>(first + count));
    ASSERT_EQ(gathered(layout, first, count, width, storage), expected) << "round " << round;
  }
}

/// Larger than a window in every way: gaps that are too wide to read across, and runs that are too
/// long for one read.
TEST(StridedLayout, GathersAcrossWindows) {
  const std::uint64_t million = 1'000'000;
  for (const StridedLayout& layout : {
           StridedLayout{3, {2000, 1500}, {1, 2000}},          // transposed
           StridedLayout{0, {30, 5}, {1, 100'000}},            // far columns
           StridedLayout{1, {3 * million}, {1}},               // one run
           StridedLayout{0, {40, 3, 25}, {25, 1'000'000, 1}},  // planes exchanged
           StridedLayout{5, {2, 700'000}, {0, 3}},             // repeated, with small gaps
           StridedLayout{0, {100, 2}, {20'000, 1'000'000}},    // single elements
       }) {
    const auto places = count_out(layout);
    Storage storage(*reach(layout), 4);
    EXPECT_EQ(gathered(layout, 0, places.size(), 4, storage), places);
    EXPECT_LE(storage.largest, std::uint64_t{4} << 20);
  }
}

TEST(StridedLayout, ReadsATransposedMatrixInFewLargePieces) {
  const StridedLayout layout{0, {1024, 1024}, {1, 1024}};
  Storage storage(1024 * 1024, 4);
  const std::uint64_t block = 64 * 1024;
  for (std::uint64_t first = 0; first < 1024 * 1024; first += block) {
    gathered(layout, first, block, 4, storage);
  }
  EXPECT_LE(storage.calls, 2u * 16);
  EXPECT_LE(storage.total, 16u * 1024 * 1024 * 4);
}

}  // namespace
}  // namespace expo
