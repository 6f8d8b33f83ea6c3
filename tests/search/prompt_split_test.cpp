#include "expo/search/prompt_split.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "expo/core/error.h"

namespace expo {
namespace {

std::vector<std::string> prompts(std::size_t count) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < count; ++i) texts.push_back("Prompt " + std::to_string(i * i));
  return texts;
}

std::vector<std::string> texts_of(const std::vector<std::size_t>& part,
                                  const std::vector<std::string>& texts) {
  std::vector<std::string> result;
  for (const std::size_t prompt : part) result.push_back(texts[prompt]);
  return result;
}

TEST(PromptSplit, HalvesThePrompts) {
  const auto texts = prompts(2000);
  const PromptSplit split = split_prompts(texts);
  EXPECT_EQ(split.choosing.size() + split.confirming.size(), 2000U);
  EXPECT_NEAR(static_cast<double>(split.choosing.size()), 1000, 4 * 22.4);
  const PromptSplit fifth = split_prompts(texts, 0.2);
  EXPECT_NEAR(static_cast<double>(fifth.choosing.size()), 400, 4 * 17.9);
}

TEST(PromptSplit, KeepsThePlaceOfAPromptWhateverOthersThereAre) {
  const auto few = prompts(100);
  auto many = prompts(500);
  std::reverse(many.begin(), many.end());
  const auto before = split_prompts(few);
  const auto after = split_prompts(many);
  for (const auto part : {&PromptSplit::choosing, &PromptSplit::confirming}) {
    auto later = texts_of(after.*part, many);
    std::erase_if(later, [&](const std::string& text) {
      return std::find(few.begin(), few.end(), text) == few.end();
    });
    EXPECT_EQ(texts_of(before.*part, few), later);
  }
}

TEST(PromptSplit, TakesCopiesForOne) {
  auto texts = prompts(10);
  texts.insert(texts.end(), {texts[3], texts[3], texts[0]});
  const PromptSplit split = split_prompts(texts);
  EXPECT_EQ(split.duplicates, 3U);
  EXPECT_EQ(split.choosing.size() + split.confirming.size(), 10U);
  for (const auto& part : {split.choosing, split.confirming}) {
    for (const std::size_t prompt : part) EXPECT_LT(prompt, 10U);
  }
}

TEST(PromptSplit, StaysAsItIsInLaterVersions) {
  // A resumed search relies on it: XXH3 with the seeds 0 and 1, computed with Python's xxhash.
  const std::vector<std::string> texts{"alpha", "beta", "gamma", "delta", "epsilon", "zeta"};
  const PromptSplit split = split_prompts(texts);
  EXPECT_EQ(texts_of(split.choosing, texts),
            (std::vector<std::string>{"zeta", "gamma", "beta", "delta"}));
  EXPECT_EQ(texts_of(split.confirming, texts), (std::vector<std::string>{"alpha", "epsilon"}));
}

TEST(PromptSplit, RefusesAShareThatLeavesAPartEmpty) {
  EXPECT_THROW(split_prompts(prompts(3), 0), Error);
  EXPECT_THROW(split_prompts(prompts(3), 1), Error);
}

}  // namespace
}  // namespace expo
