#include "expo/search/guards.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "expo/core/error.h"

namespace expo {
namespace {

std::vector<PromptScore> answers(std::size_t count, double length, double truncated) {
  return std::vector<PromptScore>(count, PromptScore{0, length, truncated, 0});
}

std::string refusal(const char* text) {
  try {
    parse_guard(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::usage);
    return error.what();
  }
  return "";
}

TEST(Guards, CompareRatiosWithAlphaZero) {
  const Guard guard = parse_guard("length<=1.5x");
  EXPECT_FALSE(violates(guard, answers(3, 150, 0), answers(3, 100, 0)));
  EXPECT_TRUE(violates(guard, answers(3, 151, 0), answers(3, 100, 0)));
}

TEST(Guards, CompareExcessesOverAlphaZero) {
  const Guard guard = parse_guard("truncated<=0.05");
  EXPECT_FALSE(violates(guard, answers(3, 1, 0.35), answers(3, 1, 0.3)));
  EXPECT_TRUE(violates(guard, answers(3, 1, 0.36), answers(3, 1, 0.3)));
  EXPECT_TRUE(violates(parse_guard("truncated<=0"), answers(3, 1, 0.1), answers(3, 1, 0)));
}

TEST(Guards, UseCommonPromptsOnly) {
  const Guard guard = parse_guard("length<=1x");
  std::vector<PromptScore> longer_later = answers(4, 10, 0);
  longer_later[3].length = 1000;
  EXPECT_FALSE(violates(guard, longer_later, answers(3, 10, 0)));
  EXPECT_FALSE(violates(guard, {}, answers(3, 10, 0)));
}

TEST(Guards, AreClearlyViolatedBeyondTwoStandardErrors) {
  const Guard guard = parse_guard("length<=1x");
  std::vector<PromptScore> some = answers(16, 100, 0);
  for (std::size_t i = 0; i < 16; ++i) some[i].length = i % 2 == 0 ? 90 : 112;  // 1 ± 2.84
  EXPECT_TRUE(violates(guard, some, answers(16, 100, 0)));
  EXPECT_FALSE(clearly_violates(guard, some, answers(16, 100, 0)));
  for (PromptScore& each : some) each.length += 6;  // 7 ± 2.84
  EXPECT_TRUE(clearly_violates(guard, some, answers(16, 100, 0)));
  EXPECT_FALSE(clearly_violates(guard, answers(7, 900, 0), answers(7, 100, 0)));
}

TEST(Guards, RefuseWhatTheyDoNotKnow) {
  EXPECT_NE(refusal("words<=2x").find("the measure 'words' is not known"), std::string::npos);
  EXPECT_NE(refusal("length<2x").find("there is no <="), std::string::npos);
  EXPECT_NE(refusal("length<=x").find("'' is not a limit"), std::string::npos);
  EXPECT_NE(refusal("length<=-1").find("'-1' is not a limit"), std::string::npos);
  EXPECT_NE(refusal("length<=nan").find("'nan' is not a limit"), std::string::npos);
  EXPECT_NE(refusal("length<=1.5 x").find("'1.5 ' is not a limit"), std::string::npos);
}

}  // namespace
}  // namespace expo
