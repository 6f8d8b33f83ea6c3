#include "expo/core/thread_team.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <thread>

namespace expo {
namespace {

TEST(ThreadTeam, RunsTheBodyOnTheCallerAndAtMostOnceOnEveryOtherThread) {
  for (const unsigned threads : {1U, 2U, 5U}) {
    ThreadTeam team(threads);
    ASSERT_EQ(team.size(), threads);
    for (int run = 0; run < 100; ++run) {
      std::vector<int> calls(threads, 0);
      team.run([&](ThreadTeam::Member& member) { ++calls[member.worker()]; });
      EXPECT_EQ(calls[0], 1);
      EXPECT_LE(std::ranges::max(calls), 1);
    }
  }
}

/// Each item waits until every thread holds one.
TEST(ThreadTeam, WorksWithAllThreads) {
  constexpr unsigned kThreads = 3;
  ThreadTeam team(kThreads);
  for (int run = 0; run < 20; ++run) {
    std::atomic<unsigned> there{0};
    team.run([&](ThreadTeam::Member& member) {
      member.for_each(kThreads, [&](std::int64_t) {
        ++there;
        while (there.load() < kThreads) std::this_thread::yield();
      });
    });
    EXPECT_EQ(there.load(), kThreads);
  }
}

TEST(ThreadTeam, HandsOutEveryIndexOnceInEachPhase) {
  ThreadTeam team(3);
  std::vector<int> first(1000, 0), second(77, 0);
  team.run([&](ThreadTeam::Member& member) {
    for (int round = 0; round < 50; ++round) {
      member.for_each(1000, [&](std::int64_t i) { ++first[static_cast<std::size_t>(i)]; });
      member.for_each(0, [&](std::int64_t) { FAIL(); });
      member.for_each(77, [&](std::int64_t i) { ++second[static_cast<std::size_t>(i)]; });
    }
  });
  EXPECT_EQ(first, std::vector<int>(1000, 50));
  EXPECT_EQ(second, std::vector<int>(77, 50));
}

/// Each phase reads what the whole previous phase wrote: the sum is right only if no phase begins
/// before the last item of the previous one is done.
TEST(ThreadTeam, BeginsAPhaseWhenAllOfTheOneBeforeIsDone) {
  ThreadTeam team(4);
  constexpr std::int64_t kItems = 7;
  std::vector<std::int64_t> values(kItems, 1);
  std::vector<std::int64_t> next(kItems, 0);
  for (int run = 0; run < 100; ++run) {
    std::ranges::fill(values, 1);
    team.run([&](ThreadTeam::Member& member) {
      for (int round = 0; round < 10; ++round) {
        member.for_each(kItems, [&](std::int64_t i) {
          next[static_cast<std::size_t>(i)] =
              std::accumulate(values.begin(), values.end(), std::int64_t{0});
        });
        member.for_each(kItems, [&](std::int64_t i) {
          values[static_cast<std::size_t>(i)] = next[static_cast<std::size_t>(i)];
        });
      }
    });
    EXPECT_EQ(values, std::vector<std::int64_t>(kItems, 282475249));  // 7¹⁰
  }
}

/// The last item of each phase is so long that the other threads fall asleep meanwhile.
TEST(ThreadTeam, WakesThreadsThatWaitedLong) {
  ThreadTeam team(4);
  constexpr std::int64_t kItems = 5;
  constexpr std::uint64_t kFactor = 6364136223846793005, kLong = 20'000'000;
  std::vector<std::uint64_t> values(kItems, 1);
  for (int run = 0; run < 3; ++run) {
    team.run([&](ThreadTeam::Member& member) {
      for (int round = 0; round < 3; ++round) {
        member.for_each(kItems, [&](std::int64_t i) {
          std::uint64_t value = values[static_cast<std::size_t>(i)];
          for (std::uint64_t n = i + 1 == kItems ? kLong : 1; n > 0; --n) value *= kFactor;
          values[static_cast<std::size_t>(i)] = value;
        });
      }
    });
  }
  const auto power = [](std::uint64_t exponent) {
    std::uint64_t result = 1;
    for (std::uint64_t base = kFactor; exponent > 0; exponent /= 2, base *= base) {
      if (exponent % 2 == 1) result *= base;
    }
    return result;
  };
  std::vector<std::uint64_t> expected(kItems, power(9));
  expected.back() = power(9 * kLong);
  EXPECT_EQ(values, expected);
}

TEST(ThreadTeam, TakesAllProcessorsForNone) {
  EXPECT_GE(ThreadTeam(0).size(), 1U);
}

}  // namespace
}  // namespace expo
