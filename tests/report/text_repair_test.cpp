#include "expo/report/text_repair.h"

#include <gtest/gtest.h>

#include "expo/core/error.h"
#include "expo/core/utf8.h"

namespace expo {
namespace {

// What Python's bytes.decode("utf-8", "replace") makes of the bytes; ? stands for U+FFFD.
std::string with_marks(std::string text) {
  for (std::size_t at = 0; (at = text.find('?', at)) != std::string::npos; at += 3)
    text.replace(at, 1, "\xEF\xBF\xBD");
  return text;
}

TEST(RepairedJson, ReplacesBytesThatAreNoUtf8AsPythonDoes) {
  const std::pair<std::string, std::string> cases[] = {
      {"plain", "plain"},
      {"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80", "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80"},
      {"\xFF", "?"},
      {"a\xC3", "a?"},
      {"\xC3(", "?("},
      {"\xE2\x82", "?"},
      {"\xE2\x82z", "?z"},
      {"\xF0\x9F\x98", "?"},
      {"\xF0\x9F\x98\xF0\x9F\x98\x80", "?\xF0\x9F\x98\x80"},
      {"\xED\xA0\x80", "???"},       // a surrogate
      {"\xC0\x80", "??"},            // too long a form
      {"\xE0\x80\x80", "???"},       // too long a form
      {"\xF4\x90\x80\x80", "????"},  // beyond U+10FFFF
      {"\xF5\x80", "??"},            // no such beginning
      {"\x80\xBF", "??"},
  };
  for (const auto& [bytes, expected] : cases) EXPECT_EQ(repaired_json(bytes), with_marks(expected));
}

TEST(RepairedJson, ReplacesHalvesOfSurrogatePairs) {
  const std::pair<std::string, std::string> cases[] = {
      {R"("\ud83d\ude00")", R"("\ud83d\ude00")"},
      {R"("\uD83D\uDE00")", R"("\uD83D\uDE00")"},
      {R"("\ud83d")", R"("\ufffd")"},
      {R"("\ude00")", R"("\ufffd")"},
      {R"("\ude00\ud83d")", R"("\ufffd\ufffd")"},
      {R"("\ud83d\ud83d\ude00")", R"("\ufffd\ud83d\ude00")"},
      {R"("\ud83dx")", R"("\ufffdx")"},
      {R"("\\ud83d")", R"("\\ud83d")"},  // a backslash and five letters
      {R"("\\\ud83d")", R"("\\\ufffd")"},
      {R"("\u00e4\ud7ff\ue000")", R"("\u00e4\ud7ff\ue000")"},
      {R"("\ud83)", R"("\ud83)"},
      {R"("\ud83d\u004")", R"("\ufffd\u004")"},
      {"\\", "\\"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(repaired_json(text), expected) << text;
}

TEST(RepairedJson, IsUtf8WhateverTheBytesAre) {
  std::string bytes;
  for (int first = 0; first < 256; ++first) {
    for (const int second :
         {0x00, 0x5C, 0x75, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC2, 0xFF})
      bytes +=
          {static_cast<char>(first), static_cast<char>(second), '\\', static_cast<char>(first)};
  }
  EXPECT_FALSE(valid_utf8(bytes));
  EXPECT_TRUE(valid_utf8(repaired_json(bytes)));
}

TEST(ParseRepaired, ReadsWhatModelsWrite) {
  const Json line = parse_repaired("{\"text\":\"a\xF0\x9F\\ud83d\"}", "line");
  EXPECT_EQ(line.at("text"), "a\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_THROW(parse_repaired("{\"text\":\"\\ud83d\"", "line"), Error);
}

}  // namespace
}  // namespace expo
