#include "expo/core/philox.h"

#include <cmath>
#include <numbers>

namespace expo {
namespace {

// The multipliers and key increments given in section 4 of the paper.
constexpr std::uint64_t kMultiplier0 = 0xD2511F53;
constexpr std::uint64_t kMultiplier1 = 0xCD9E8D57;
constexpr std::uint32_t kIncrement0 = 0x9E3779B9;
constexpr std::uint32_t kIncrement1 = 0xBB67AE85;
constexpr int kRounds = 10;

constexpr std::uint32_t low(std::uint64_t value) {
  return static_cast<std::uint32_t>(value);
}
constexpr std::uint32_t high(std::uint64_t value) {
  return static_cast<std::uint32_t>(value >> 32);
}

}  // namespace

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key) noexcept {
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t product0 = kMultiplier0 * counter[0];
    const std::uint64_t product1 = kMultiplier1 * counter[2];
    counter = {high(product1) ^ counter[1] ^ key[0], low(product1),
               high(product0) ^ counter[3] ^ key[1], low(product0)};
    key = {key[0] + kIncrement0, key[1] + kIncrement1};
  }
  return counter;
}

std::array<std::uint32_t, 4> RandomStream::block(std::uint64_t index) const noexcept {
  return philox4x32({low(index), high(index), low(stream_), high(stream_)},
                    {low(seed_), high(seed_)});
}

double RandomStream::unit_interval(std::uint64_t index) const noexcept {
  const auto words = block(index / 2);
  const std::size_t half = index % 2 * 2;
  const std::uint64_t bits = std::uint64_t{words[half + 1]} << 32 | words[half];
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

std::pair<double, double> RandomStream::normal_pair(std::uint64_t index) const noexcept {
  const double radius = std::sqrt(-2 * std::log1p(-unit_interval(2 * index)));
  const double angle = 2 * std::numbers::pi * unit_interval(2 * index + 1);
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

}  // namespace expo
