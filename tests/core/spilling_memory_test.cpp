#include "expo/core/disk/spilling_memory.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdint>
#include <cstring>
#include <random>

namespace expo {
namespace {

TEST(SpillingMemory, KeepsEveryByteAtItsAddress) {
  constexpr unsigned kSeed = 20240425;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  std::mt19937 draw(kSeed);
  SpillingMemory memory(1 << 14);
  std::vector<std::pair<std::span<std::byte>, std::vector<std::byte>>> pieces;
  for (int i = 0; i < 500; ++i) {
    const std::size_t size = i == 250 ? 100'000 : draw() % 3000;  // one is larger than a block
    std::vector<std::byte> expected(size);
    for (std::byte& byte : expected) byte = static_cast<std::byte>(draw());
    const auto piece = memory.allocate(size);
    ASSERT_EQ(piece.size(), size);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(piece.data()) % 8, 0u);
    std::ranges::copy(expected, piece.begin());
    pieces.emplace_back(piece, std::move(expected));
  }
  EXPECT_GT(memory.spilled_bytes(), 500'000u);
  for (const auto& [piece, expected] : pieces) EXPECT_TRUE(std::ranges::equal(piece, expected));
}

TEST(SpillingMemory, LittleDataStaysInMemory) {
  SpillingMemory memory;
  for (int i = 0; i < 1000; ++i) std::ranges::fill(memory.allocate(1000), std::byte{7});
  EXPECT_EQ(memory.spilled_bytes(), 0u);
}

TEST(SpillingMemory, AFullDiskLeavesTheDataInMemory) {
  // A limit on the size of files stands for the full disk; what exceeds it raises a signal as well.
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1 << 15, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  SpillingMemory memory(1 << 14);
  std::vector<std::span<std::byte>> pieces;
  for (int i = 0; i < 100; ++i) {
    pieces.push_back(memory.allocate(4000));
    std::ranges::fill(pieces.back(), static_cast<std::byte>(i));
  }
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(memory.spilled_bytes(), std::size_t{1} << 15);
  for (int i = 0; i < 100; ++i)
    for (const std::byte byte : pieces[static_cast<std::size_t>(i)])
      ASSERT_EQ(byte, static_cast<std::byte>(i));
}

}  // namespace
}  // namespace expo
