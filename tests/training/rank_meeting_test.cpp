#include "expo/training/ranks/meeting.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <torch/csrc/distributed/c10d/HashStore.hpp>
#include <vector>

#include "expo/core/error.h"

namespace expo {
namespace {

/// What each rank is told, in threads of their own; empty where nothing speaks against it.
std::vector<std::string> meet(const std::vector<RankIntroduction>& ranks) {
  const auto store = c10::make_intrusive<c10d::HashStore>();
  std::vector<std::string> told(ranks.size());
  std::vector<std::thread> threads;
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    threads.emplace_back([&, rank] {
      try {
        introduce(*store, static_cast<int>(rank), static_cast<int>(ranks.size()), ranks[rank],
                  std::chrono::seconds(60));
      } catch (const Error& error) {
        told[rank] = error.what();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return told;
}

TEST(RankMeeting, LetsThemBegin) {
  for (const std::string& told : meet({{"gloo", ""}, {"gloo", ""}, {"gloo", ""}}))
    EXPECT_EQ(told, "");
  for (const std::string& told : meet({{"nccl", "a 01"}, {"nccl", "a 02"}, {"nccl", "b 01"}}))
    EXPECT_EQ(told, "");
}

TEST(RankMeeting, RefusesTwoOnOneGpu) {
  for (const std::string& told : meet({{"nccl", "a 01"}, {"nccl", "a 02"}, {"nccl", "a 01"}}))
    EXPECT_TRUE(told.starts_with("ranks 0 and 2 are both on a 01")) << told;
}

TEST(RankMeeting, RefusesThoseThatWouldTalkPastEachOther) {
  for (const std::string& told : meet({{"nccl", "a 01"}, {"gloo", "a 02"}}))
    EXPECT_TRUE(told.starts_with("rank 0 uses nccl on a 01 but rank 1 uses gloo on a 02")) << told;
  for (const std::string& told : meet({{"gloo", "a 01"}, {"gloo", ""}}))
    EXPECT_TRUE(told.starts_with("rank 0 uses gloo on a 01 but rank 1 uses gloo on a CPU")) << told;
}

TEST(RankMeeting, DoesNotWaitForEver) {
  const auto store = c10::make_intrusive<c10d::HashStore>();
  EXPECT_ANY_THROW(introduce(*store, 0, 2, {"gloo", ""}, std::chrono::milliseconds(20)));
}

}  // namespace
}  // namespace expo
