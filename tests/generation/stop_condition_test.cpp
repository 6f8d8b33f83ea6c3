#include "expo/generation/stop_condition.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "expo/core/error.h"

namespace expo {
namespace {

using Pieces = std::vector<std::string>;

struct Outcome {
  std::size_t tokens = 0;
  std::string text;
  std::optional<Finish> finish;
};

/// Feeds token number 100 + i together with the text that piece i completes.
Outcome run(const StopOptions& options, const Pieces& pieces) {
  StopCondition condition(options);
  Outcome outcome;
  for (const std::string& piece : pieces) {
    outcome.text += piece;
    const auto token = static_cast<TokenId>(100 + outcome.tokens++);
    outcome.finish = condition.feed(token, outcome.text);
    if (!outcome.finish) continue;
    outcome.text.resize(outcome.finish->text_size);
    break;
  }
  return outcome;
}

void expect_string(const Outcome& outcome, const std::string& string, const std::string& text) {
  ASSERT_TRUE(outcome.finish);
  EXPECT_EQ(outcome.finish->reason, FinishReason::stop);
  EXPECT_EQ(outcome.finish->string, string);
  EXPECT_FALSE(outcome.finish->token);
  EXPECT_EQ(outcome.text, text);
}

TEST(StopCondition, AStopTokenEndsTheOutputWithoutItsText) {
  const auto outcome = run({.tokens = {7, 102}}, {"a", "b", "</s>", "c"});
  ASSERT_TRUE(outcome.finish);
  EXPECT_EQ(outcome.finish->reason, FinishReason::stop);
  EXPECT_EQ(outcome.finish->token, 102u);
  EXPECT_FALSE(outcome.finish->string);
  EXPECT_EQ(outcome.text, "ab");
  EXPECT_EQ(run({.tokens = {100}}, {"</s>"}).text, "");
}

TEST(StopCondition, AStopTokensTextCompletesNoStopString) {
  const auto outcome = run({.tokens = {101}, .strings = {"ab"}}, {"a", "b"});
  ASSERT_TRUE(outcome.finish);
  EXPECT_EQ(outcome.finish->token, 101u);
  EXPECT_EQ(outcome.text, "a");
}

TEST(StopCondition, MaxTokensEndsTheOutputWithItsLastToken) {
  const auto outcome = run({.max_tokens = 2}, {"a", "b", "c"});
  ASSERT_TRUE(outcome.finish);
  EXPECT_EQ(outcome.finish->reason, FinishReason::length);
  EXPECT_FALSE(outcome.finish->token);
  EXPECT_FALSE(outcome.finish->string);
  EXPECT_EQ(outcome.text, "ab");
}

TEST(StopCondition, AStopOnTheLastTokenIsTheReason) {
  expect_string(run({.strings = {"b"}, .max_tokens = 2}, {"a", "b"}), "b", "a");
  const auto outcome = run({.tokens = {101}, .max_tokens = 2}, {"a", "b"});
  ASSERT_TRUE(outcome.finish);
  EXPECT_EQ(outcome.finish->reason, FinishReason::stop);
}

TEST(StopCondition, NothingEndsWhereNothingIsAsked) {
  EXPECT_FALSE(run({}, {"a", "b", "c"}).finish);
  const StopOptions options{.tokens = {1}, .strings = {"abd", "cc"}, .max_tokens = 4};
  EXPECT_FALSE(run(options, {"a", "b", "c"}).finish);
}

TEST(StopCondition, AStopStringMaySpanTokens) {
  expect_string(run({.strings = {"\n\nQ:"}}, {"A", "B\n", "\n", "Q", ": no"}), "\n\nQ:", "AB");
  expect_string(run({.strings = {"abc"}}, {"ab", "abc"}), "abc", "ab");
  expect_string(run({.strings = {"aab"}}, {"a", "a", "a", "b"}), "aab", "a");
}

TEST(StopCondition, AStopStringMayLieWithinAToken) {
  expect_string(run({.strings = {"stop"}}, {"x", " a stop here, stop"}), "stop", "x a ");
  expect_string(run({.strings = {"x"}}, {"x"}), "x", "");
}

TEST(StopCondition, TheStopStringThatIsCompleteFirstWins) {
  expect_string(run({.strings = {"Stop", "\n\n"}}, {"a\n\nStop"}), "\n\n", "a");
  expect_string(run({.strings = {"abcd", "bc"}}, {"abcd"}), "bc", "a");
}

TEST(StopCondition, TheFirstOfTheListWinsWhereTwoEndTogether) {
  expect_string(run({.strings = {"bc", "abc"}}, {"xabc"}), "bc", "xa");
  expect_string(run({.strings = {"abc", "bc"}}, {"xabc"}), "abc", "x");
}

TEST(StopCondition, ACharacterOfSeveralTokensIsAwaited) {
  StopCondition condition({.strings = {"é!"}});
  EXPECT_FALSE(condition.feed(1, "a"));
  EXPECT_FALSE(condition.feed(2, "a\xEF\xBF\xBD"));
  EXPECT_FALSE(condition.feed(3, "aé"));
  const auto finish = condition.feed(4, "aé!");
  ASSERT_TRUE(finish);
  EXPECT_EQ(finish->text_size, 1u);
}

TEST(StopCondition, AReplacementCharacterThatStaysIsSearchedLater) {
  StopCondition condition({.strings = {"\xEF\xBF\xBD"}});
  EXPECT_FALSE(condition.feed(1, "a\xEF\xBF\xBD"));
  const auto finish = condition.feed(2, "a\xEF\xBF\xBD b");
  ASSERT_TRUE(finish);
  EXPECT_EQ(finish->text_size, 1u);
}

TEST(StopCondition, RefusesWhatCannotBeMeant) {
  for (const StopOptions& options :
       {StopOptions{.strings = {"a", ""}}, StopOptions{.max_tokens = 0}}) {
    try {
      StopCondition condition(options);
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::usage);
    }
  }
}

// However the text is cut into tokens, the outcome is the same as with one character per token, for
// which the definition is plain.
TEST(StopCondition, HowTheTextIsCutIntoTokensMakesNoDifference) {
  const unsigned seed = 17;
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const auto word = [&](std::size_t size, unsigned letters) {
    std::string text;
    while (text.size() < size) text += static_cast<char>('a' + random() % letters);
    return text;
  };
  int ended = 0;
  for (int trial = 0; trial < 3000; ++trial) {
    const std::string text = word(30, 3);
    const StopOptions options{
        .strings = {word(3 + random() % 4, 3), word(3 + random() % 4, 3), word(4, 3)}};
    std::size_t end = text.size() + 1;
    std::string expected = text;
    for (const std::string& string : options.strings) {
      const std::size_t at = text.find(string);
      if (at == std::string::npos || at + string.size() >= end) continue;
      end = at + string.size();
      expected = text.substr(0, at);
    }
    Pieces pieces;
    for (std::size_t at = 0; at < text.size();) {
      pieces.push_back(text.substr(at, random() % 6));
      at += pieces.back().size();
    }
    const auto outcome = run(options, pieces);
    ended += outcome.finish.has_value() ? 1 : 0;
    ASSERT_EQ(outcome.finish.has_value(), end <= text.size());
    ASSERT_EQ(outcome.text, expected);
  }
  EXPECT_GT(ended, 300);
  EXPECT_LT(ended, 2700);
}

}  // namespace
}  // namespace expo
