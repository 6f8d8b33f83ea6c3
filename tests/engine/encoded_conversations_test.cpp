#include "expo/engine/tokens/encoded_conversations.h"

#include <gtest/gtest.h>

#include "expo/core/error.h"

namespace expo {
namespace {

Conversation prompt(const std::string& text) {
  return {{Json::array({{{"role", "user"}, {"content", text}}})}, "id", "place"};
}

class EncodedConversationsTest : public testing::Test {
 protected:
  std::vector<std::string> encoded_;  ///< each text that was encoded, in order
  EncodedConversations<std::string> conversations_{[this](const Conversation& one) {
    const auto text = one.chat.messages.back().at("content").get<std::string>();
    if (text == "broken") throw input_error("broken");
    encoded_.push_back(text);
    return "ids of " + text;
  }};
};

TEST_F(EncodedConversationsTest, EncodesWhatWasCountedOnlyOnce) {
  const std::vector<Conversation> all{prompt("a"), prompt("b"), prompt("a")};
  const auto held = conversations_.hold(all);
  ASSERT_EQ(held.size(), 3U);
  EXPECT_EQ(*held[0], "ids of a");
  EXPECT_EQ(*held[1], "ids of b");
  EXPECT_EQ(*held[2], "ids of a");
  for (int round = 0; round < 2; ++round) EXPECT_EQ(conversations_.of(all[1]), "ids of b");
  EXPECT_EQ(encoded_, (std::vector<std::string>{"a", "b"}));
}

TEST_F(EncodedConversationsTest, HoldsTheLastOnesOnly) {
  conversations_.hold(std::vector{prompt("a"), prompt("b")});
  conversations_.hold(std::vector{prompt("b"), prompt("c")});
  EXPECT_EQ(encoded_, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(conversations_.of(prompt("a")), "ids of a");
  EXPECT_EQ(encoded_, (std::vector<std::string>{"a", "b", "c", "a"}));
}

TEST_F(EncodedConversationsTest, GivesTheSameAfterAFailure) {
  conversations_.hold(std::vector{prompt("a"), prompt("b")});
  EXPECT_THROW(conversations_.hold(std::vector{prompt("b"), prompt("broken")}), Error);
  EXPECT_EQ(conversations_.of(prompt("a")), "ids of a");
  EXPECT_EQ(conversations_.of(prompt("b")), "ids of b");
}

}  // namespace
}  // namespace expo
