// Which tokens of a conversation count, by the rule of docs/train.md; the expected texts are
// written by hand.
#include "expo/text/mask/loss_mask.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "expo/core/disk/filesystem.h"
#include "expo/core/error.h"
#include "support/contains.h"

namespace expo {
namespace {

ChatTokenizer with_template(const std::string& chat_template) {
  const auto path =
      std::filesystem::path(EXPO_SOURCE_DIR) / "tests/text/goldens/byte_level.tokenizer.json";
  const TextFile file{"tokenizer.json", [path] { return posix_filesystem().read_text(path); }};
  ChatTokenizer made = ChatTokenizer::from_files({&file, 1}, "model");
  made.set_template(chat_template, "template");
  return made;
}

Json turn(const char* role, const char* content) {
  return {{"role", role}, {"content", content}};
}

/// The text of the tokens that count, a bar between those that do not follow one another.
std::string counted(const ChatTokenizer& tokenizer, const Json& messages,
                    const LossMaskOptions& options = {}) {
  const MaskedChat masked = mask_chat(tokenizer, {messages}, {}, options);
  std::string text;
  std::vector<TokenId> run;
  const auto flush = [&] {
    if (run.empty()) return;
    text += (text.empty() ? "" : "|") + tokenizer.tokenizer().decode(run, SpecialTokens::keep);
    run.clear();
  };
  for (std::size_t i = 0; i < masked.ids.size(); ++i) {
    if (masked.counts[i]) {
      run.push_back(masked.ids[i]);
    } else {
      flush();
    }
  }
  flush();
  return text;
}

std::string refusal(const ChatTokenizer& tokenizer, const Json& messages) {
  try {
    mask_chat(tokenizer, {messages}, {}, {});
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::input);
    return error.what();
  }
  return "nothing was refused";
}

constexpr const char* kChatMl =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

const Json kTwoTurns = {turn("user", "one"), turn("assistant", "two"), turn("user", "three"),
                        turn("assistant", "four")};

TEST(LossMask, CountsEveryTurnWithItsEnd) {
  const auto tokenizer = with_template(kChatMl);
  EXPECT_EQ(counted(tokenizer, kTwoTurns), "two<|im_end|>\n|four<|im_end|>\n");
  EXPECT_EQ(counted(tokenizer, {turn("assistant", "first"), turn("user", "x")}),
            "first<|im_end|>\n");
  EXPECT_EQ(counted(tokenizer, {turn("user", "x"), turn("assistant", "a"), turn("assistant", "b")}),
            "a<|im_end|>\n|b<|im_end|>\n");
}

TEST(LossMask, AQuestionLikeTheAnswerDoesNotCount) {
  const auto tokenizer = with_template(kChatMl);
  EXPECT_EQ(counted(tokenizer, {turn("user", "yes"), turn("assistant", "yes"), turn("user", "yes"),
                                turn("assistant", "yes")}),
            "yes<|im_end|>\n|yes<|im_end|>\n");
  EXPECT_EQ(counted(tokenizer, {turn("user", "<|im_start|>assistant\n"), turn("assistant", "no")}),
            "no<|im_end|>\n");
}

// Templates of this kind write the thoughts of the last turn only.
constexpr const char* kThoughts =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' and loop.last %}"
    "{% if '</think>' in m.content %}{{ m.content }}{% else %}<think>\n\n</think>\n\n{{ m.content "
    "}}"
    "{% endif %}"
    "{% else %}{{ m.content.split('</think>')[-1].lstrip('\\n') }}{% endif %}<|im_end|>\n{% endfor "
    "%}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

TEST(LossMask, ATurnCountsAsItIsRenderedWithinTheWholeConversation) {
  const auto tokenizer = with_template(kThoughts);
  const Json messages = {
      turn("user", "1"), turn("assistant", "<think>a</think>\n\n<answer>4</answer>"),
      turn("user", "2"), turn("assistant", "<think>b</think>\n\n<answer>5</answer>")};
  EXPECT_EQ(counted(tokenizer, messages),
            "<answer>4</answer><|im_end|>\n|<think>b</think>\n\n<answer>5</answer><|im_end|>\n");
}

TEST(LossMask, WhatStandsBetweenTheGenerationPromptAndTheAnswerCounts) {
  const auto tokenizer = with_template(kThoughts);
  EXPECT_EQ(counted(tokenizer, kTwoTurns),
            "two<|im_end|>\n|<think>\n\n</think>\n\nfour<|im_end|>\n");
}

TEST(LossMask, AnEarlierTurnMayEndOtherwiseThanTheLast) {
  const auto tokenizer = with_template(
      "{% for m in messages %}{{ m.role }}: {{ m.content }}"
      "{% if m.role == 'assistant' %}{{ '<|endoftext|>' if loop.last else '<|im_end|>' }}{% endif "
      "%}"
      "{% endfor %}");
  EXPECT_EQ(counted(tokenizer, kTwoTurns), " two<|im_end|>| four<|endoftext|>")
      << "the space before a word belongs to its token";
}

TEST(LossMask, CountsCallsWhole) {
  const auto tokenizer = with_template(
      "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
      "{% for call in m.tool_calls or [] %}\n<call>{{ call.function | tojson }}</call>{% endfor %}"
      "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}");
  Json calling = turn("assistant", "");
  calling["tool_calls"] = {{{"function", {{"name", "f"}, {"arguments", {{"x", 1}}}}}}};
  EXPECT_EQ(
      counted(tokenizer, {turn("user", "x"), calling, turn("tool", "1"), turn("assistant", "y")}),
      "<call>{\"name\": \"f\", \"arguments\": {\"x\": 1}}</call><|im_end|>\n|y<|im_end|>\n");
}

TEST(LossMask, TheTemplateDecidesWhereItMarksGenerations) {
  const auto tokenizer = with_template(
      "{% for m in messages %}<|im_start|>{{ m.role }}\n"
      "{% if m.role == 'assistant' %}{% generation %}{{ m.content }}<|im_end|>{% endgeneration %}\n"
      "{% else %}{{ m.content }}<|im_end|>\n{% endif %}{% endfor %}");
  EXPECT_EQ(counted(tokenizer, kTwoTurns), "two<|im_end|>|four<|im_end|>");
}

TEST(LossMask, ACompletionCountsFromItsOwnBeginning) {
  const auto tokenizer = with_template(kChatMl);
  EXPECT_EQ(counted(tokenizer, kTwoTurns, {.assistant_only = true, .first_message = 3}),
            "four<|im_end|>\n");
  EXPECT_EQ(counted(tokenizer, kTwoTurns, {.assistant_only = false, .first_message = 3}),
            "four<|im_end|>\n");
  EXPECT_EQ(
      counted(tokenizer, kTwoTurns, {.assistant_only = false, .first_message = 1}),
      "two<|im_end|>\n<|im_start|>user\nthree<|im_end|>\n<|im_start|>assistant\nfour<|im_end|>\n");
}

TEST(LossMask, NamesTheTurnThatCannotBeFound) {
  const auto left_out = with_template(
      "{% for m in messages %}{% if m.role == 'user' or loop.last %}[{{ m.content }}]{% endif %}"
      "{% endfor %}");
  EXPECT_TRUE(contains(refusal(left_out, kTwoTurns), "turn 2, by the assistant, cannot be found"));
  const auto tokenizer = with_template(kChatMl);
  EXPECT_TRUE(contains(refusal(tokenizer, {turn("user", "x"), turn("assistant", "")}),
                       "turn 2, by the assistant, is empty"));
  const auto entangled = with_template(
      "{{ messages[1].content | length }}{% for m in messages %}[{{ m.content }}]{% endfor %}");
  EXPECT_TRUE(contains(refusal(entangled, kTwoTurns), "turn 2, by the assistant, cannot be found"));
}

TEST(LossMask, RefusesATurnWhoseWordsStandTwice) {
  const auto preview = with_template(
      "LAST {{ messages[-1].content }}\n{% for m in messages %}[{{ m.content }}]{% endfor %}");
  EXPECT_TRUE(contains(refusal(preview, kTwoTurns), "turn 4, by the assistant, cannot be found"));
  EXPECT_TRUE(contains(refusal(preview, kTwoTurns), "more than once"));
}

TEST(LossMask, RefusesAGreetingOnWhichTheTextBeforeItDepends) {
  const auto counting = with_template(
      "({{ messages[0].content | length }}) {% for m in messages %}<{{ m.content }}>{% endfor %}"
      "{% if add_generation_prompt %}{{ '<' }}{% endif %}");
  EXPECT_TRUE(contains(refusal(counting, {turn("assistant", "greeting"), turn("user", "x")}),
                       "turn 1, by the assistant, cannot be found"));
}

/// A template that knows only role and content.
constexpr const char* kContentOnly =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content or '' }}<|im_end|>\n{% endfor "
    "%}";

TEST(LossMask, RefusesATurnOfWhichTheTemplateWritesNothing) {
  Json calling = turn("assistant", "");
  calling["tool_calls"] = {{{"function", {{"name", "f"}, {"arguments", {{"x", 1}}}}}}};
  EXPECT_TRUE(contains(refusal(with_template(kContentOnly), {turn("user", "x"), calling}),
                       "turn 2, by the assistant, says nothing but tool_calls, which the chat "
                       "template does not write"));
}

TEST(LossMask, NamesWhatTheTemplateDoesNotWrite) {
  Json thinking = turn("assistant", "y");
  thinking["reasoning_content"] = "because";
  const Json messages = {turn("user", "x"), thinking};
  const auto unwritten = [&](const std::string& chat_template) {
    return mask_chat(with_template(chat_template), {messages}, {}, {}).unwritten;
  };
  EXPECT_EQ(unwritten(kContentOnly), std::vector<std::string>{"reasoning_content"});
  EXPECT_TRUE(unwritten("{% for m in messages %}[{{ m.reasoning_content }}|{{ m.content }}]"
                        "{% endfor %}")
                  .empty());
}

TEST(LossMask, SpacesCountWhereATokenizerLeavesThemOutOfPlaces) {
  const auto path =
      std::filesystem::path(EXPO_SOURCE_DIR) / "tests/text/goldens/byte_level.tokenizer.json";
  Json trimming = parse_json(posix_filesystem().read_text(path), "tokenizer");
  trimming["post_processor"] = {{"type", "ByteLevel"},
                                {"add_prefix_space", false},
                                {"trim_offsets", true},
                                {"use_regex", true}};
  const TextFile file{"tokenizer.json", [&] { return trimming.dump(); }};
  ChatTokenizer tokenizer = ChatTokenizer::from_files({&file, 1}, "model");
  const std::string spaced = "{% for m in messages %}<|im_start|>{{ m.content }} {% endfor %}";
  tokenizer.set_template(spaced, "template");
  const Json messages = {turn("user", "x"), turn("assistant", "r  ")};
  EXPECT_EQ(counted(tokenizer, messages), counted(with_template(spaced), messages));
}

TEST(LossMask, EmojiAndOtherCharactersCountWhole) {
  const auto tokenizer = with_template("{% for m in messages %}[{{ m.content }}]{% endfor %}");
  EXPECT_EQ(
      counted(tokenizer, {turn("user", "🙂é"), turn("assistant", "👩‍👧 ça\u2028🙂")}),
      "👩‍👧 ça\u2028🙂]");
}

}  // namespace
}  // namespace expo
