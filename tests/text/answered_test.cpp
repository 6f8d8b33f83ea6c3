#include "expo/text/answered.h"

#include <gtest/gtest.h>

#include "expo/core/disk/memory_filesystem.h"
#include "expo/core/error.h"
#include "support/contains.h"

namespace expo {
namespace {

std::vector<AnsweredRow> answered(const std::vector<Json>& rows, const Columns& columns = {}) {
  MemoryFilesystem files;
  std::string text;
  for (const Json& row : rows) text += row.dump() + "\n";
  files.write_text("/a.jsonl", text);
  const auto reader = open_rows(files, "/a.jsonl");
  return read_answered(*reader, columns);
}

std::string refusal(const std::vector<Json>& rows, const Columns& columns = {}) {
  try {
    answered(rows, columns);
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::input);
    return error.what();
  }
  return "nothing was refused";
}

Json turn(const std::string& role, const std::string& content) {
  return {{"role", role}, {"content", content}};
}

const Json kConversation = Json::array({turn("user", "q"), turn("assistant", "a")});

TEST(Answered, TakesTheUsualShapes) {
  const Json generated = {{"prompt", "q"}, {"prompt_id", "x"}, {"messages", kConversation}};
  const std::vector<Json> rows{generated,
                               {{"instruction", "q"}, {"output", "a"}},
                               {{"prompt", Json::array({turn("user", "q")})}, {"answer", "a"}},
                               {{"messages", kConversation}, {"response", "a"}}};
  for (const AnsweredRow& row : answered(rows))
    EXPECT_EQ(row.conversations, std::vector<Json>{kConversation}) << row.place;
  EXPECT_EQ(answered(rows)[0].id, "x");
  EXPECT_EQ(answered(rows)[1].id, "1");
  EXPECT_EQ(answered(rows)[0].row, generated);
}

TEST(Answered, TakesPairsFirst) {
  const Json other = Json::array({turn("user", "q"), turn("assistant", "b")});
  const auto rows = answered({{{"prompt", "q"},
                               {"chosen", kConversation},
                               {"rejected", other},
                               {"messages", kConversation}},
                              {{"prompt", "q"}, {"chosen", "a"}, {"rejected", "b"}}});
  for (const AnsweredRow& row : rows)
    EXPECT_EQ(row.conversations, (std::vector<Json>{kConversation, other}));
}

TEST(Answered, TakesTheColumnThatIsNamed) {
  const Json row = {{"q", "q"}, {"a", "a"}, {"chosen", "c"}, {"rejected", "r"}};
  Columns columns;
  columns.prompt = "q";
  columns.answer = "a";
  EXPECT_EQ(answered({row}, columns)[0].conversations, std::vector<Json>{kConversation});
}

TEST(Answered, TakesAnEmptyAnswer) {
  EXPECT_EQ(answered({{{"instruction", "q"}, {"output", ""}}})[0].conversations[0][1]["content"],
            "");
}

TEST(Answered, NamesTheRowThatIsNoneOfThem) {
  const Json good = {{"instruction", "q"}, {"output", "a"}};
  EXPECT_TRUE(
      contains(refusal({good, {{"output", "a"}}}), "/a.jsonl:2: there is no column prompt"));
  EXPECT_TRUE(
      contains(refusal({good, {{"instruction", "q"}}}), "/a.jsonl:2: there is no column messages"));
  EXPECT_TRUE(contains(refusal({{{"messages", Json::array({turn("assistant", "a")})}}}),
                       "no prompt that it answers"));
  EXPECT_TRUE(contains(refusal({good, {{"prompt", "q"}, {"chosen", "a"}, {"rejected", "b"}}}),
                       "/a.jsonl:2: is a preference pair, but /a.jsonl:1 is a single answer"));
  Columns columns;
  columns.answer = "missing";
  EXPECT_TRUE(contains(refusal({good}, columns), "--answer-column"));
}

}  // namespace
}  // namespace expo
