#include "expo/search/live/answer_measures.h"

#include <gtest/gtest.h>

#include <string>

namespace expo {
namespace {

std::string repeated(const std::string& text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

TEST(AnswerMeasures, CountsDistinctNgrams) {
  EXPECT_EQ(distinct_share("a b a b", 1), 0.5);
  EXPECT_EQ(distinct_share(" a b\n\ta  b ", 2), 2.0 / 3);  // ab, ba, ab
  EXPECT_EQ(distinct_share("a b", 3), 1);
  EXPECT_EQ(distinct_share("", 1), 1);
  EXPECT_EQ(distinct_share("naïve naive", 1), 1);
}

TEST(AnswerMeasures, TakesEachChineseCharacterForAWord) {
  EXPECT_EQ(distinct_share("好好好好", 1), 0.25);
  EXPECT_EQ(distinct_share("a好b好", 1), 0.75);
  EXPECT_EQ(distinct_share("é…“é", 1), 1);  // below U+2E80: one word
}

TEST(AnswerMeasures, LooksAtSeveralAnswersTogether) {
  const std::string_view same[] = {"a b c", "a b c"};
  EXPECT_EQ(distinct_share(same, 2), 0.5);
  const std::string_view joined[] = {"a b", "c d"};  // no n-gram reaches over the end of an answer
  EXPECT_EQ(distinct_share(joined, 2), 1);
}

TEST(AnswerMeasures, NamesHowAnAnswerCollapsed) {
  EXPECT_EQ(collapse_of(" \n", FinishReason::stop), Collapse::empty);
  EXPECT_EQ(collapse_of("", FinishReason::length), Collapse::empty);
  EXPECT_EQ(collapse_of(repeated("on and on ", 10), FinishReason::length), Collapse::repeating);
  EXPECT_EQ(collapse_of(repeated("on and on ", 10), FinishReason::stop), Collapse::repeating);
  EXPECT_EQ(collapse_of("ha ha ha ha ha ha ha", FinishReason::stop), Collapse::none);
  EXPECT_EQ(collapse_of("cut off in the", FinishReason::length), Collapse::endless);
  EXPECT_EQ(collapse_of("Fine.", FinishReason::stop), Collapse::none);
}

CollapseCounts counts(std::size_t answers, std::size_t endless) {
  CollapseCounts result;
  for (std::size_t i = 0; i < answers; ++i)
    result.add(i < endless ? Collapse::endless : Collapse::none);
  return result;
}

TEST(AnswerMeasures, JudgesCollapseRelativeToTheBaseline) {
  const std::vector<Collapse> endless{Collapse::endless};
  EXPECT_EQ(collapses_beyond(counts(100, 30), counts(100, 5)), endless);
  EXPECT_TRUE(collapses_beyond(counts(100, 30), counts(100, 30)).empty());
  EXPECT_TRUE(collapses_beyond(counts(100, 5), counts(100, 30)).empty());
  // Two of ten may be chance; four in a hundred more are no matter.
  EXPECT_TRUE(collapses_beyond(counts(10, 2), counts(10, 0)).empty());
  EXPECT_TRUE(collapses_beyond(counts(10000, 440), counts(10000, 0)).empty());
  EXPECT_TRUE(collapses_beyond(counts(0, 0), counts(10, 0)).empty());
  // Two of two answers may be chance; four of four are not.
  EXPECT_TRUE(collapses_beyond(counts(2, 2), counts(2, 0)).empty());
  EXPECT_EQ(collapses_beyond(counts(4, 4), counts(4, 0)), endless);
  EXPECT_EQ(counts(8, 2).share(Collapse::none), 0.75);
  EXPECT_STREQ(collapse_name(Collapse::repeating), "repeating");
}

}  // namespace
}  // namespace expo
