#include "expo/core/thread_team.h"

#include <gtest/gtest.h>

#include <numeric>

namespace expo {
namespace {

TEST(ThreadTeam, RunsTheBodyOnceOnEveryThread) {
  for (const unsigned threads : {1U, 2U, 5U}) {
    ThreadTeam team(threads);
    ASSERT_EQ(team.size(), threads);
    for (int run = 0; run < 100; ++run) {
      std::vector<int> calls(threads, 0);
      team.run([&](unsigned worker) { ++calls[worker]; });
      EXPECT_EQ(calls, std::vector<int>(threads, 1));
    }
  }
}

TEST(ThreadTeam, HandsOutEveryIndexOnceInEachPhase) {
  ThreadTeam team(3);
  std::vector<int> first(1000, 0), second(77, 0);
  team.run([&](unsigned) {
    for (int round = 0; round < 50; ++round) {
      team.for_each(1000, [&](std::int64_t i) { ++first[static_cast<std::size_t>(i)]; });
      team.for_each(0, [&](std::int64_t) { FAIL(); });
      team.for_each(77, [&](std::int64_t i) { ++second[static_cast<std::size_t>(i)]; });
    }
  });
  EXPECT_EQ(first, std::vector<int>(1000, 50));
  EXPECT_EQ(second, std::vector<int>(77, 50));
}

TEST(ThreadTeam, ShowsAfterABarrierWhatWasWrittenBefore) {
  ThreadTeam team(4);
  std::vector<std::int64_t> slots(4, 0);
  std::vector<std::int64_t> wrong(4, 0);
  team.run([&](unsigned worker) {
    for (std::int64_t round = 1; round <= 1000; ++round) {
      slots[worker] = round;
      team.barrier();
      if (std::accumulate(slots.begin(), slots.end(), std::int64_t{0}) != 4 * round)
        ++wrong[worker];
      team.barrier();
    }
  });
  EXPECT_EQ(wrong, std::vector<std::int64_t>(4, 0));
}

TEST(ThreadTeam, TakesAllProcessorsForNone) {
  EXPECT_GE(ThreadTeam(0).size(), 1U);
}

}  // namespace
}  // namespace expo
