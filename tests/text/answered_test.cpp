#include "expo/text/answered.h"

#include <gtest/gtest.h>

#include "expo/core/disk/memory_filesystem.h"
#include "expo/core/error.h"
#include "support/contains.h"

namespace expo {
namespace {

std::vector<AnsweredRow> answered_text(const std::string& text, const Columns& columns = {}) {
  MemoryFilesystem files;
  files.write_text("/a.jsonl", text);
  const auto reader = open_rows(files, "/a.jsonl");
  return read_answered(*reader, columns);
}

std::vector<AnsweredRow> answered(const std::vector<Json>& rows, const Columns& columns = {}) {
  std::string text;
  for (const Json& row : rows) text += row.dump() + "\n";
  return answered_text(text, columns);
}

std::string refusal_of_text(const std::string& text, const Columns& columns = {}) {
  try {
    answered_text(text, columns);
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::input);
    return error.what();
  }
  return "nothing was refused";
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
    EXPECT_EQ(row.conversations, std::vector<Chat>{{kConversation}}) << row.place;
  EXPECT_EQ(answered(rows)[0].id, "x");
  EXPECT_EQ(answered(rows)[1].id, "1");
  EXPECT_EQ(answered(rows)[0].row, generated);
}

TEST(Answered, PassesOverNaNInColumnsThatAreNotUsed) {
  const std::string row =
      R"({"prompt": "q", "output": "a", "margin": NaN, "scores": {"mean": [1.5, -Infinity]}})";
  const auto rows = answered_text(row + "\n");
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].conversations, std::vector<Chat>{{kConversation}});
  EXPECT_EQ(compact_json(rows[0].row),
            R"({"prompt":"q","output":"a","margin":null,"scores":{"mean":[1.5,null]}})");
  // A pair's columns are not looked at where another one is named.
  Columns columns;
  columns.answer = "output";
  EXPECT_EQ(answered_text(R"({"prompt": "q", "output": "a", "chosen": NaN})", columns).size(), 1u);
}

TEST(Answered, RefusesNaNInAColumnThatIsUsed) {
  const std::string fine = R"({"prompt": "q", "output": "a"})"
                           "\n";
  const auto expect = [&](const std::string& row, const std::string& column) {
    const std::string message = refusal_of_text(fine + row);
    EXPECT_TRUE(message.starts_with("/a.jsonl:2: the column " + column)) << message;
    EXPECT_TRUE(contains(message, "is not JSON, although Python's json.dumps writes it"));
  };
  expect(R"({"prompt": "q", "output": NaN})", "output is NaN");
  expect(R"({"prompt": -Infinity, "output": "a"})", "prompt is -Infinity");
  expect(R"({"prompt": "q", "output": "a", "id": NaN})", "id is NaN");
  expect(R"({"instruction": "q", "input": NaN, "output": "a"})", "input is NaN");
  expect(R"({"messages": [{"role": "user", "content": Infinity}]})",
         "messages holds Infinity (at [0].content)");
  expect(R"({"prompt": "q", "chosen": "a", "rejected": NaN})", "rejected is NaN");
}

TEST(Answered, TakesPairsFirst) {
  const Json other = Json::array({turn("user", "q"), turn("assistant", "b")});
  const auto rows = answered({{{"prompt", "q"},
                               {"chosen", kConversation},
                               {"rejected", other},
                               {"messages", kConversation}},
                              {{"prompt", "q"}, {"chosen", "a"}, {"rejected", "b"}}});
  for (const AnsweredRow& row : rows)
    EXPECT_EQ(row.conversations, (std::vector<Chat>{{kConversation}, {other}}));
}

TEST(Answered, TakesTheColumnThatIsNamed) {
  const Json row = {{"q", "q"}, {"a", "a"}, {"chosen", "c"}, {"rejected", "r"}};
  Columns columns;
  columns.prompt = "q";
  columns.answer = "a";
  EXPECT_EQ(answered({row}, columns)[0].conversations, std::vector<Chat>{{kConversation}});
}

TEST(Answered, TakesAnEmptyAnswer) {
  EXPECT_EQ(
      answered({{{"instruction", "q"}, {"output", ""}}})[0].conversations[0].messages[1]["content"],
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
