#include "expo/text/prompts.h"

#include <gtest/gtest.h>

#include <set>

#include "expo/core/disk/memory_filesystem.h"
#include "expo/core/error.h"
#include "expo/text/preferences.h"

namespace expo {
namespace {

Json user(const std::string& text) {
  return {{"role", "user"}, {"content", text}};
}
Json assistant(const std::string& text) {
  return {{"role", "assistant"}, {"content", text}};
}

std::vector<Prompt> prompts(const std::vector<Json>& rows, const Columns& columns = {}) {
  MemoryFilesystem files;
  std::string text;
  for (const Json& row : rows) text += row.dump() + "\n";
  files.write_text("/p.jsonl", text);
  const auto reader = open_rows(files, "/p.jsonl");
  return read_prompts(*reader, columns);
}

std::string reason(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::input);
    return error.what();
  }
  return "nothing was refused";
}

TEST(Prompts, TakesTheUsualShapes) {
  const auto found = prompts({{{"prompt", "a"}, {"prompt_id", "x1"}},
                              {{"instruction", "b"}, {"dataset", "helpful_base"}},
                              {{"messages", {user("c"), assistant("d"), user("e")}}, {"id", 7}},
                              {{"messages", {user("f"), assistant("answered")}}}});
  ASSERT_EQ(found.size(), 4u);
  EXPECT_EQ(found[0].id, "x1");
  EXPECT_EQ(found[0].chat.messages, Json::array({user("a")}));
  EXPECT_EQ(found[1].id, "1");
  EXPECT_EQ(found[1].chat.messages, Json::array({user("b")}));
  EXPECT_EQ(found[1].row["dataset"], "helpful_base");
  EXPECT_EQ(found[2].id, "7");
  EXPECT_EQ(found[2].chat.messages.size(), 3u);
  EXPECT_EQ(found[3].chat.messages, Json::array({user("f")}));
  EXPECT_EQ(found[3].place, "/p.jsonl:4");
}

TEST(Prompts, IdsMayBeIntegersOfAnySize) {
  MemoryFilesystem files;
  files.write_text("/p.jsonl",
                   "{\"prompt\": \"a\", \"id\": 123456789012345678901234567890}\n"
                   "{\"prompt\": \"b\", \"id\": 123456789012345678901234567891}\n"
                   "{\"prompt\": \"c\", \"id\": -7}\n");
  const auto reader = open_rows(files, "/p.jsonl");
  const auto found = read_prompts(*reader, {});
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].id, "123456789012345678901234567890");
  EXPECT_EQ(found[1].id, "123456789012345678901234567891");
  EXPECT_EQ(found[2].id, "-7");
}

TEST(Prompts, AlpacasInputFollowsItsInstruction) {
  const auto found = prompts({{{"instruction", "a"}, {"input", "b"}},
                              {{"instruction", "a"}, {"input", ""}},
                              {{"prompt", "a"}, {"instruction", "c"}, {"input", "b"}}});
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].chat.messages, Json::array({user("a\n\nb")}));
  EXPECT_EQ(found[1].chat.messages, Json::array({user("a")}));
  EXPECT_EQ(found[2].chat.messages, Json::array({user("a")}));
}

TEST(Prompts, TakesColumnsByName) {
  Columns columns;
  columns.prompt = "text";
  columns.id = "key";
  const auto found = prompts({{{"text", "a"}, {"prompt", "not this"}, {"key", "k"}}}, columns);
  EXPECT_EQ(found[0].chat.messages, Json::array({user("a")}));
  EXPECT_EQ(found[0].id, "k");
}

TEST(Prompts, NamesTheRowOfWhatIsWrong) {
  const Json good = {{"prompt", "fine"}};
  const auto refused = [&](const Json& row, const Columns& columns = {}) {
    return reason([&] { prompts({good, row}, columns); });
  };
  EXPECT_EQ(refused({{"text", "a"}}),
            "/p.jsonl:2: there is no column prompt, instruction, messages, question, query; it has "
            "text; --prompt-column names another");
  EXPECT_EQ(refused({{"prompt", ""}}), "/p.jsonl:2: the prompt is empty");
  EXPECT_TRUE(refused({{"prompt", 7}}).starts_with("/p.jsonl:2: the prompt is not a list"));
  EXPECT_TRUE(refused({{"prompt", Json::array({"a"})}})
                  .starts_with("/p.jsonl:2: the prompt: turn 1 is not"));
  EXPECT_TRUE(refused({{"messages", {assistant("a")}}}).find("user's turn") != std::string::npos);
  EXPECT_EQ(refused({{"prompt", "a"}, {"id", 0.5}}),
            "/p.jsonl:2: its id is neither text nor a whole number");
  EXPECT_EQ(
      reason([&] {
        prompts({{{"prompt", "a"}, {"id", "k"}}, {{"prompt", "b"}, {"id", "k"}}});
      }),
      "/p.jsonl:2: the id \"k\" occurs twice with different prompts, first at /p.jsonl:1; ids "
      "tell answers apart");
}

TEST(Prompts, AnswersARepeatedPromptOnce) {
  const Json row = {{"prompt", "a"}, {"prompt_id", "k"}};
  EXPECT_EQ(prompts({row, {{"prompt", "b"}, {"prompt_id", "l"}}, row}).size(), 2U);
}

TEST(Preferences, TakesTheUsualShapes) {
  const Json binarized = {{"prompt", "q"},
                          {"prompt_id", "id"},
                          {"chosen", {user("q"), assistant("good")}},
                          {"rejected", {user("q"), assistant("bad")}}};
  const Json implicit = {{"chosen", {user("q"), assistant("good")}},
                         {"rejected", {user("q"), assistant("bad")}}};
  const Json plain = {{"prompt", "q"}, {"chosen", "good"}, {"rejected", "bad"}};
  const Json explicit_turns = {{"prompt", Json::array({user("q")})},
                               {"chosen", Json::array({assistant("good")})},
                               {"rejected", Json::array({assistant("bad")})}};
  for (const Json& row : {binarized, implicit, plain, explicit_turns}) {
    SCOPED_TRACE(row.dump());
    const Preference found = read_preference(row, "row");
    EXPECT_EQ(found.prompt.messages, Json::array({user("q")}));
    EXPECT_EQ(found.chosen, assistant("good"));
    EXPECT_EQ(found.rejected, assistant("bad"));
  }
  EXPECT_EQ(read_preference(binarized, "row").id, "id");
}

TEST(Preferences, KeepsEarlierTurns) {
  const Json row = {
      {"prompt", "second"},
      {"chosen", {user("first"), assistant("x"), user("second"), assistant("good")}},
      {"rejected", {user("first"), assistant("x"), user("second"), assistant("bad")}}};
  EXPECT_EQ(read_preference(row, "row").prompt.messages.size(), 3u);
}

TEST(Preferences, NamesTheRowAndColumnOfWhatIsWrong) {
  const auto refused = [](const Json& row) {
    return reason([&] { read_preference(row, "t.jsonl:5"); });
  };
  EXPECT_TRUE(refused({{"prompt", "q"}, {"chosen", "a"}})
                  .starts_with("t.jsonl:5: there is no column rejected; "));
  EXPECT_EQ(refused({{"prompt", "q"}, {"chosen", ""}, {"rejected", "b"}}),
            "t.jsonl:5: chosen is an empty answer");
  EXPECT_EQ(
      refused({{"chosen", "a"}, {"rejected", "b"}}),
      "t.jsonl:5: there is no prompt: neither a column of that name nor turns before the answers");
  EXPECT_EQ(
      refused({{"chosen", {user("q"), assistant("a")}}, {"rejected", {user("r"), assistant("b")}}}),
      "t.jsonl:5: chosen and rejected are not answers to one prompt: they differ before the last "
      "turn, and an answer is one turn of the assistant");
  EXPECT_EQ(refused({{"prompt", "other"},
                     {"chosen", {user("q"), assistant("a")}},
                     {"rejected", {user("q"), assistant("b")}}}),
            "t.jsonl:5: prompt is not all turns that chosen and rejected begin with before their "
            "last one, which is the answer");
  EXPECT_EQ(
      refused({{"prompt", "q"}, {"chosen", Json::array({user("q")})}, {"rejected", "b"}}),
      "t.jsonl:5: chosen does not end with an assistant's turn, but with one of the role user");
}

TEST(Preferences, ReadsThePublishedOnes) {
  const std::filesystem::path file =
      std::filesystem::path(EXPO_SOURCE_DIR) / "../shared/data/preferences/train.parquet";
  if (!exists(file)) GTEST_SKIP() << file << " is not here";
  const auto rows = open_rows(posix_filesystem(), file);
  std::set<std::string> ids;
  std::size_t count = 0;
  for (Json row; rows->next(row); ++count) ids.insert(read_preference(row, rows->place()).id);
  EXPECT_EQ(count, 2366u);
  EXPECT_EQ(ids.size(), 335u);
}

}  // namespace
}  // namespace expo
