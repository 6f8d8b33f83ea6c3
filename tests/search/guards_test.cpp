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

const std::vector<Measure> kFurther{{"brief", true}, {"distinct_2", false}};

std::string refusal(const char* text) {
  try {
    parse_guard(text, kFurther);
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

/// Answers with two further measures.
std::vector<PromptScore> measured(std::size_t count, double brief, double distinct) {
  return std::vector<PromptScore>(count, PromptScore{0, 1, 0, 0, {brief, distinct}});
}

TEST(Guards, LimitFallsOfFurtherMeasures) {
  const Guard guard = parse_guard("brief>=-0.05", kFurther);
  EXPECT_FALSE(violates(guard, measured(3, 0.25, 0), measured(3, 0.3, 1)));
  EXPECT_TRUE(violates(guard, measured(3, 0.24, 1), measured(3, 0.3, 1)));
  EXPECT_FALSE(violates(guard, measured(3, 0.9, 1), measured(3, 0.3, 1)));
  const Guard share = parse_guard("distinct_2>=0.9x", kFurther);
  EXPECT_FALSE(violates(share, measured(3, 0, 0.73), measured(3, 1, 0.8)));
  EXPECT_TRUE(violates(share, measured(3, 0, 0.71), measured(3, 1, 0.8)));
  const Guard rise = parse_guard("brief<=0.1", kFurther);
  EXPECT_TRUE(violates(rise, measured(3, 0.5, 1), measured(3, 0.3, 1)));
  EXPECT_FALSE(violates(parse_guard("length>=0.5x"), answers(3, 60, 0), answers(3, 100, 0)));
  EXPECT_TRUE(violates(parse_guard("length>=0.5x"), answers(3, 40, 0), answers(3, 100, 0)));
}

TEST(Guards, OnFallsAreClearlyViolatedBeyondTwoStandardErrors) {
  const Guard guard = parse_guard("brief>=0", kFurther);
  std::vector<PromptScore> some = measured(16, 0, 1);
  for (std::size_t i = 0; i < 16; ++i) some[i].measures[0] = i % 2 == 0 ? 1 : -1.5;  // −0.25 ± 0.32
  EXPECT_TRUE(violates(guard, some, measured(16, 0, 1)));
  EXPECT_FALSE(clearly_violates(guard, some, measured(16, 0, 1)));
  for (PromptScore& each : some) each.measures[0] -= 0.5;  // −0.75 ± 0.32
  EXPECT_TRUE(clearly_violates(guard, some, measured(16, 0, 1)));
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
  EXPECT_NE(refusal("words<=2x").find("expected length, truncated, brief or distinct_2"),
            std::string::npos);
  EXPECT_NE(refusal("brief>=0.1").find("'0.1' is not a limit"), std::string::npos);
  EXPECT_NE(refusal("brief>=0.9x").find("a score may be negative"), std::string::npos);
}

}  // namespace
}  // namespace expo
