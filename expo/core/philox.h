#pragma once

#include <array>
#include <cstdint>
#include <utility>

namespace expo {

/// Philox4x32-10 of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC '11): for each
/// 64-bit key, a bijection of the 128-bit counter whose values pass as independent uniform bits. It
/// has no state, so that draw number n costs the same from any thread and in any order. Words are
/// in the paper's order, least significant first. Thread-safe.
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key) noexcept;

/// Independent streams of random bits under one seed. The seed is the key; the stream's number is
/// the upper half of the counter, and the block's index the lower half. No two streams, and no two
/// seeds, share bits. Immutable and thread-safe.
class RandomStream {
 public:
  RandomStream(std::uint64_t seed, std::uint64_t stream) noexcept : seed_(seed), stream_(stream) {}

  /// 128 random bits, different for every index.
  std::array<std::uint32_t, 4> block(std::uint64_t index) const noexcept;

  /// A uniform value in [0, 1), a multiple of 2⁻⁵³. Each block yields two: value n comes from block
  /// n/2.
  double unit_interval(std::uint64_t index) const noexcept;

  /// Two independent standard normal values, from the uniform values 2·index and 2·index + 1 (Box
  /// and Muller).
  std::pair<double, double> normal_pair(std::uint64_t index) const noexcept;

 private:
  std::uint64_t seed_;
  std::uint64_t stream_;
};

}  // namespace expo
