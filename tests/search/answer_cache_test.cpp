#include "expo/search/live/answer_cache.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "expo/core/disk/memory_filesystem.h"
#include "expo/core/error.h"
#include "support/contains.h"

namespace expo {
namespace {

constexpr const char* kFile = "/run/answers.jsonl";

std::string refusal(MemoryFilesystem& disk, const std::string& text) {
  disk.create_directory("/run");
  disk.write_text(kFile, text);
  try {
    AnswerCache cache(disk, kFile);
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::input);
    EXPECT_EQ(disk.read_text(kFile), text);
    return error.what();
  }
  return "nothing was refused";
}

TEST(AnswerCache, RefusesWhatNoSearchHasLeft) {
  MemoryFilesystem disk;
  const std::string head = "{\"format\":\"expo-answers-1\"}\n";
  EXPECT_TRUE(contains(refusal(disk, "{\"format\":\"other\"}\n"), "expo-answers-1"));
  EXPECT_TRUE(contains(refusal(disk, head + "nonsense\n"), "answers.jsonl:2"));
  EXPECT_TRUE(contains(refusal(disk, head + "{\"key\":\"a\",\"limit\":1}\n"), "answers.jsonl:2"));
  EXPECT_TRUE(contains(refusal(disk, head + "\n{}\n"), "answers.jsonl:2"));
}

Answer cut(const std::string& text, std::uint64_t tokens) {
  return {.task = {}, .text = text, .finish = FinishReason::length, .tokens = tokens};
}

TEST(AnswerCache, KeepsTheFirstOfTwoAnswersUnderOneKey) {
  MemoryFilesystem disk;
  AnswerCache cache(disk, kFile);
  cache.add({"k", 5}, cut("first", 5), Json::object());
  EXPECT_EQ(cache.add({"k", 5}, cut("second", 5), Json::object()).text, "first");
  EXPECT_EQ(AnswerCache(disk, kFile).find({"k", 5})->text, "first");
  EXPECT_EQ(cache.find({"k", 6}), nullptr);
}

TEST(AnswerCache, AnAnswerThatTheContextEndedServesLargerLimits) {
  MemoryFilesystem disk;
  AnswerCache cache(disk, kFile);
  cache.add({"k", 9}, cut("cut", 7), Json::object());
  EXPECT_NE(cache.find({"k", 7}), nullptr);
  EXPECT_NE(cache.find({"k", std::nullopt}), nullptr);
  EXPECT_EQ(cache.find({"k", 6}), nullptr);
}

TEST(AnswerCache, FindsTheLongestAnswerToGoOnFrom) {
  MemoryFilesystem disk;
  {
    AnswerCache cache(disk, kFile);
    for (const std::size_t limit : {4, 2, 6}) {
      Answer answer = cut("cut", limit);
      if (limit != 6) answer.ids = std::vector<TokenId>(limit, 11);
      cache.add({"k", limit}, answer, Json::object());
    }
  }
  const AnswerCache cache(disk, kFile);
  EXPECT_EQ(cache.begun({"k", 9})->ids, std::vector<TokenId>(4, 11));
  EXPECT_EQ(cache.begun({"k", std::nullopt})->ids.size(), 4U);
  EXPECT_EQ(cache.begun({"k", 4})->ids.size(), 2U);
  EXPECT_EQ(cache.begun({"k", 2}), nullptr);
  EXPECT_EQ(cache.begun({"other", 9}), nullptr);
}

TEST(AnswerCache, GoesOnFromNoDamagedTokens) {
  for (const char* ids : {"[1]", "[1,2,3]", "[1,-2]", "[1,2.5]", "[1,4294967296]", "7", "null"}) {
    MemoryFilesystem disk;
    disk.create_directory("/run");
    disk.write_text(kFile, fmt::format(R"({{"format":"expo-answers-1"}}
{{"key":"k","limit":2,"text":"cut","finish_reason":"length","tokens":2,"ids":{}}}
)",
                                       ids));
    const AnswerCache cache(disk, kFile);
    EXPECT_EQ(cache.begun({"k", 9}), nullptr) << ids;
    EXPECT_NE(cache.find({"k", 2}), nullptr) << ids;
  }
}

}  // namespace
}  // namespace expo
