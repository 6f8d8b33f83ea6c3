#include "expo/core/text.h"

#include <gtest/gtest.h>

#include "expo/core/error.h"

namespace expo {
namespace {

TEST(Text, LowersAsciiLettersOnly) {
  EXPECT_EQ(lower_case("Model-7B.SafeTensors[Z]\xC3\x84"), "model-7b.safetensors[z]\xC3\x84");
}

TEST(Text, EscapesControlCharacters) {
  EXPECT_EQ(escape_controls("a\x1b[31mb\r\t\x7f"), "a\\x1b[31mb\\x0d\\x09\\x7f");
  EXPECT_EQ(escape_controls(std::string("a\0b", 3)), "a\\x00b");
  // U+0080, U+009B (a terminal's escape in one character) and U+009F, but not U+00A0.
  EXPECT_EQ(escape_controls("\xC2\x80|\xC2\x9B"
                            "31m|\xC2\x9F|\xC2\xA0"),
            "\\xc2\\x80|\\xc2\\x9b31m|\\xc2\\x9f|\xC2\xA0");
}

TEST(Text, EscapesWhatIsNotUtf8) {
  EXPECT_EQ(escape_controls("a\x9b"
                            "b\xE2\x82"),
            "a\\x9bb\\xe2\\x82");
  EXPECT_EQ(escape_controls("\xFF\xC0\x80"), "\\xff\\xc0\\x80");
  EXPECT_EQ(escape_controls("\xED\xA0\x80"), "\\xed\\xa0\\x80");  // a surrogate
}

TEST(Text, LeavesOrdinaryTextAlone) {
  const std::string text = "‖Δ‖² of α, 模型, \xF0\x9F\xA4\x97 and \\x1b";
  EXPECT_EQ(escape_controls(text), text);
  EXPECT_EQ(on_one_line(text), text);
  EXPECT_EQ(escape_controls(""), "");
}

TEST(Text, KeepsLineEndsWhereTheyMayBe) {
  EXPECT_EQ(escape_controls("a\nb"), "a\nb");
  EXPECT_EQ(on_one_line("a\nb"), "a\\x0ab");
  EXPECT_EQ(escape_controls(on_one_line("a\nb")), "a\\x0ab");
}

TEST(Text, IsCutBetweenCharacters) {
  EXPECT_EQ(cut_to("ab", 2), "ab");
  EXPECT_EQ(cut_to("abc", 2), "ab…");
  EXPECT_EQ(cut_to("\xF0\x9F\xA4\x97", 4), "\xF0\x9F\xA4\x97");
  for (const std::size_t bytes : {1, 2, 3, 4})
    EXPECT_EQ(cut_to("a\xF0\x9F\xA4\x97z", bytes), "a…") << bytes;
  EXPECT_EQ(cut_to("a\xF0\x9F\xA4\x97z", 5), "a\xF0\x9F\xA4\x97…");
  EXPECT_EQ(cut_to("模", 0), "…");
  EXPECT_EQ(cut_to("\x97\x97", 1), "…");  // no character begins
}

TEST(Text, IsEscapedInErrors) {
  EXPECT_STREQ(input_error("x\xC2\x9B"
                           "31m\x1b\n")
                   .what(),
               "x\\xc2\\x9b31m\\x1b\n");
}

}  // namespace
}  // namespace expo
