#include "expo/text/tokenizer.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "expo/core/error.h"
#include "expo/core/json.h"
#include "expo/core/parallel.h"

namespace expo {
namespace {

const std::string kGoldens = std::string(EXPO_SOURCE_DIR) + "/tests/text/goldens/";

std::string read(const std::string& name) {
  std::ifstream file(kGoldens + name, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

Tokenizer tokenizer(const std::string& name) {
  return Tokenizer::from_json(read(name + ".tokenizer.json"), name);
}

/// Every line of torture.utf8, the empty text, and the whole file.
std::vector<std::string> texts() {
  const std::string whole = read("torture.utf8");
  std::vector<std::string> lines;
  std::size_t begin = 0;
  for (std::size_t end = whole.find('\n'); end != std::string::npos;
       end = whole.find('\n', begin)) {
    lines.push_back(whole.substr(begin, end - begin));
    begin = end + 1;
  }
  lines.push_back(whole.substr(begin));
  lines.push_back("");
  lines.push_back(whole);
  return lines;
}

class TokenizerParity : public testing::TestWithParam<const char*> {};

// The ids are those of Hugging Face's Python library: make_tokenizers.py.
TEST_P(TokenizerParity, GivesTheIdsAndTextsOfThePythonLibrary) {
  const Tokenizer ours = tokenizer(GetParam());
  const Json expected = parse_json(read("tokenizer_ids.json"), "tokenizer_ids.json")[GetParam()];
  const auto inputs = texts();
  ASSERT_EQ(expected["ids"].size(), inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    SCOPED_TRACE(inputs[i]);
    const auto ids = ours.encode(inputs[i], SpecialTokens::keep_out);
    EXPECT_EQ(Json(ids), expected["ids"][i]);
    EXPECT_EQ(Json(ours.encode(inputs[i], SpecialTokens::keep)), expected["with_special"][i]);
    EXPECT_EQ(Json(ours.decode(ids, SpecialTokens::keep_out)), expected["decoded"][i]);
    EXPECT_EQ(Json(ours.decode(ids, SpecialTokens::keep)), expected["decoded_with_special"][i]);
  }
}

TEST_P(TokenizerParity, IsTheSameFromSeveralThreads) {
  const Tokenizer ours = tokenizer(GetParam());
  const std::string whole = read("torture.utf8");
  const auto alone = ours.encode(whole, SpecialTokens::keep);
  std::vector<std::vector<TokenId>> together(64);
  parallel_for(together.size(), 4, [&](std::size_t i, unsigned) {
    together[i] = ours.encode(whole, SpecialTokens::keep);
  });
  for (const auto& ids : together) EXPECT_EQ(ids, alone);
}

INSTANTIATE_TEST_SUITE_P(Kinds, TokenizerParity,
                         testing::Values("byte_level", "sentence_piece", "unigram"),
                         [](const auto& kind) { return std::string(kind.param); });

TEST(Tokenizer, KnowsItsTokens) {
  const Tokenizer ours = tokenizer("sentence_piece");
  EXPECT_EQ(ours.id("<s>"), 1u);
  EXPECT_EQ(ours.token(2), "</s>");
  EXPECT_EQ(ours.id("no such token"), std::nullopt);
  EXPECT_EQ(ours.token(static_cast<TokenId>(ours.size())), std::nullopt);
  EXPECT_NE(ours.token(static_cast<TokenId>(ours.size() - 1)), std::nullopt);
  EXPECT_TRUE(ours.is_special(1));
  EXPECT_FALSE(ours.is_special(3));  // <0x00>, a byte
}

TEST(Tokenizer, RefusesTextThatIsNotUtf8) {
  const Tokenizer ours = tokenizer("byte_level");
  try {
    ours.encode("abc\xff", SpecialTokens::keep);
    FAIL() << "it was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::input);
    EXPECT_STREQ(error.what(), "a text cannot be tokenized: not UTF-8 (byte 3)");
  }
}

TEST(Tokenizer, RefusesWhatIsNoTokenizer) {
  for (const char* text : {"", "{}", "[1, 2", "\xff", R"({"model": {"type": "Unheard"}})"}) {
    SCOPED_TRACE(text);
    try {
      Tokenizer::from_json(text, "model/tokenizer.json");
      FAIL() << "it was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::input);
      EXPECT_TRUE(std::string(error.what()).starts_with("model/tokenizer.json: ")) << error.what();
    }
  }
}

}  // namespace
}  // namespace expo
