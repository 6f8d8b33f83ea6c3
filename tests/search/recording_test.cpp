#include "expo/search/source/recording.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <string>

#include "expo/core/disk/memory_filesystem.h"
#include "expo/core/error.h"
#include "expo/search/source/resampled_source.h"

namespace expo {
namespace {

constexpr const char* kHeader =
    R"({"format":"expo-scores-1","samples":2,"prompts":["a"],"candidates":[{"alpha":0},{"alpha":0.5}]})";
constexpr const char* kZero =
    R"({"candidate":0,"prompt":0,"score":[1,0],"length":[8,9],"tokens":[2,3],"ending":["stop","length"]})";
constexpr const char* kHalf =
    R"({"candidate":1,"prompt":0,"score":[0.5,2],"length":[1,1],"tokens":[1,1],"ending":["stop","stop"]})";

void put(MemoryFilesystem& disk, const char* name, const std::string& text) {
  const auto file = disk.create(name, Caching::buffered);
  file->write_at(0, std::as_bytes(std::span(text)));
  file->close();
}

std::string refusal(const std::string& text) {
  MemoryFilesystem disk;
  put(disk, "run.jsonl", text);
  try {
    Recording::read(disk, "run.jsonl");
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::input);
    return error.what();
  }
  return "";
}

std::string lines(std::initializer_list<std::string> all) {
  std::string text;
  for (const std::string& line : all) text += line + "\n";
  return text;
}

TEST(Recording, ReadsScoresInTheOrderInWhichTheyAreAskedFor) {
  MemoryFilesystem disk;
  put(disk, "run.jsonl", lines({kHeader, kHalf, kZero}));
  Recording recording = Recording::read(disk, "run.jsonl");
  ASSERT_EQ(recording.candidates().size(), 2U);
  EXPECT_EQ(recording.candidates()[1].label, "α = 0.5");
  EXPECT_EQ(recording.samples(), 2U);
  EXPECT_EQ(recording.candidate_at(0.5, 0), 1U);
  EXPECT_FALSE(recording.candidate_at(0.7, 0));
  EXPECT_EQ(recording.candidates()[1].family, 0U);
  const std::vector<ScoreRequest> requests{{1, 0, 1}, {0, 0, 1}};
  const std::vector<Score> scores = recording.scores(requests);
  EXPECT_EQ(scores[0].score, 2);
  EXPECT_EQ(scores[1].length, 9);
  EXPECT_EQ(scores[1].tokens, 3U);
  EXPECT_EQ(scores[1].ending, Ending::length);
}

TEST(Recording, WritesWhatItReads) {
  MemoryFilesystem disk;
  put(disk, "run.jsonl", lines({kHeader, kHalf, kZero}));
  const Recording recording = Recording::read(disk, "run.jsonl");
  const std::string text = recording.text(R"({"model":"m"})");
  EXPECT_NE(text.find(R"("model":"m")"), std::string::npos);
  put(disk, "again.jsonl", text);
  EXPECT_EQ(Recording::read(disk, "again.jsonl").text(R"({"model":"m"})"), text);
}

TEST(Recording, NamesFileAndLineOfWhatIsWrong) {
  EXPECT_EQ(refusal(""), "run.jsonl: the file is empty; expected a recording");
  EXPECT_NE(refusal(lines({kHeader, kZero})).find("candidate 1 has no scores for prompt 0"),
            std::string::npos);
  EXPECT_NE(refusal(lines({kHeader, kZero, kZero})).find("run.jsonl:3: candidate 0 and prompt 0"),
            std::string::npos);
  EXPECT_NE(refusal(lines({R"({"format":"other"})"})).find("run.jsonl:1: \"format\" is \"other\""),
            std::string::npos);
  EXPECT_NE(refusal(lines({kHeader, R"({"candidate":2,"prompt":0})"})).find("below 2"),
            std::string::npos);
  std::string torn = kHalf;
  torn.resize(40);
  EXPECT_NE(refusal(lines({kHeader, torn})).find("run.jsonl:2"), std::string::npos);
  std::string longer = kZero;
  longer.replace(longer.find("[1,0]"), 5, "[1,0,1]");
  EXPECT_NE(refusal(lines({kHeader, longer})).find("expected a list of 2"), std::string::npos);
}

/// Scores that tell candidate and prompt.
Recording numbered(std::size_t prompts) {
  std::vector<std::string> names(prompts, "p");
  Recording recording({{-1, "", 0}, {0, "", 0}, {1, "", 0}, {2, "", 0}}, names, 1);
  for (std::size_t p = 0; p < prompts; ++p) {
    for (std::size_t c = 0; c < 4; ++c) {
      recording.set({c, p, 0}, {static_cast<double>(10 * p + c), 1, 1, Ending::stop});
    }
  }
  return recording;
}

TEST(ResampledSource, DrawsWholePromptsWithReplacement) {
  Recording recording = numbered(50);
  ResampledSource source(recording, 3);
  std::vector<bool> seen(50);
  for (std::size_t p = 0; p < 50; ++p) {
    const std::vector<ScoreRequest> requests{{0, p, 0}, {3, p, 0}};
    const auto scores = source.scores(requests);
    EXPECT_EQ(scores[1].score, scores[0].score + 3);
    seen[static_cast<std::size_t>(scores[0].score / 10)] = true;
  }
  const auto different = std::count(seen.begin(), seen.end(), true);
  EXPECT_GT(different, 22);  // 50 · (1 − 1/e) = 32 are expected
  EXPECT_LT(different, 42);
}

TEST(ResampledSource, ShufflesWithoutGainAllButTheControl) {
  Recording recording = numbered(400);
  ResampledSource source(recording, 3, true);
  double sum = 0;
  for (std::size_t p = 0; p < 400; ++p) {
    const std::vector<ScoreRequest> requests{{0, p, 0}, {1, p, 0}, {2, p, 0}, {3, p, 0}};
    const auto scores = source.scores(requests);
    EXPECT_EQ(std::fmod(scores[0].score, 10), 0);
    EXPECT_EQ(scores[1].score + scores[2].score + scores[3].score, 3 * scores[0].score + 6);
    sum += scores[1].score - scores[0].score;
  }
  EXPECT_NEAR(sum / 400, 2, 0.2);
}

}  // namespace
}  // namespace expo
