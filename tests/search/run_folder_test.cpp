#include "expo/search/run/search_folder.h"

#include <gtest/gtest.h>

#include "expo/core/disk/memory_filesystem.h"
#include "expo/core/error.h"
#include "expo/search/run/development_prompts.h"

namespace expo {
namespace {

const Json kSettings = {{"alphas", {0, 1}}, {"sampling", {{"seed", 0}}}};

/// What is thrown; empty if nothing is.
template <typename Function>
std::string error_of(Function&& function) {
  try {
    function();
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

class SearchFolderTest : public testing::Test {
 protected:
  MemoryFilesystem disk_;
};

TEST_F(SearchFolderTest, IsResumedWithEqualSettingsOnly) {
  {
    SearchFolder folder(disk_, "/run", {});
    EXPECT_FALSE(disk_.exists("/run"));
    EXPECT_FALSE(folder.earlier());
    folder.begin(kSettings);
    EXPECT_FALSE(folder.finished());
  }
  SearchFolder again(disk_, "/run/", {});
  EXPECT_EQ(again.earlier(), kSettings);
  Json other = kSettings;
  other["sampling"]["seed"] = 1;
  EXPECT_NE(error_of([&] { again.begin(other); }).find("sampling.seed was 0 and is 1"),
            std::string::npos);
}

TEST_F(SearchFolderTest, AFinishedOneSaysSo) {
  {
    SearchFolder folder(disk_, "/run", {});
    folder.begin(kSettings);
    folder.trace({{"look", 1}});
    folder.trace({{"look", 2}});
    folder.commit({{{"prompt", "a"}}, {{"prompt", "b"}}}, {{"alpha", 2}});
  }
  EXPECT_EQ(disk_.read_text("/run/trace.jsonl"), "{\"look\":1}\n{\"look\":2}\n");
  EXPECT_EQ(disk_.read_text("/run/samples.jsonl"), "{\"prompt\":\"a\"}\n{\"prompt\":\"b\"}\n");
  SearchFolder again(disk_, "/run", {});
  again.begin(kSettings);
  ASSERT_TRUE(again.finished());
  EXPECT_EQ(again.finished()->at("alpha"), 2);
  EXPECT_EQ(disk_.list("/run"),
            (std::vector<std::string>{"run.json", "samples.jsonl", "search.json", "trace.jsonl"}));
}

TEST_F(SearchFolderTest, TheTraceBeginsAnewInEachRun) {
  for (int run = 0; run < 2; ++run) {
    SearchFolder folder(disk_, "/run", {});
    folder.begin(kSettings);
    folder.trace({{"look", 1}});
  }
  EXPECT_EQ(disk_.read_text("/run/trace.jsonl"), "{\"look\":1}\n");
}

TEST_F(SearchFolderTest, KeepsASecondRunOut) {
  SearchFolder folder(disk_, "/run", {});
  folder.begin(kSettings);
  SearchFolder other(disk_, "/run", {});
  EXPECT_NE(error_of([&] { other.begin(kSettings); }).find("another run"), std::string::npos);
}

TEST_F(SearchFolderTest, RefusesWhatIsNotASearch) {
  disk_.create_directory("/mine");
  disk_.write_text("/mine/notes.txt", "keep");
  disk_.write_text("/file", "keep");
  EXPECT_NE(error_of([&] { SearchFolder(disk_, "/mine", {}); }).find("notes.txt"),
            std::string::npos);
  EXPECT_NE(error_of([&] { SearchFolder(disk_, "/file", {}); }).find("is a file"),
            std::string::npos);
  EXPECT_NE(error_of([&] { SearchFolder(disk_, "/mine/run", {"/mine"}); }).find("lies in"),
            std::string::npos);
  EXPECT_NE(error_of([&] { SearchFolder(disk_, "/", {"/file"}); }).find("holds"),
            std::string::npos);
}

TEST_F(SearchFolderTest, NamesAPlaceOfWritingThatWillNotDo) {
  disk_.create_directory("/there");
  const SearchFolder folder(disk_, "/runs/one", {});
  const auto refusal = [&](const char* output) {
    return error_of([&] { folder.check_output(output); });
  };
  EXPECT_EQ(refusal("/out"), "");
  EXPECT_EQ(refusal("/runs/two"), "");
  EXPECT_NE(refusal("/there").find("is there already"), std::string::npos);
  EXPECT_NE(refusal("/runs/one/").find("is the folder of the search"), std::string::npos);
  EXPECT_NE(refusal("/runs/one/out").find("lies in the folder"), std::string::npos);
  EXPECT_NE(refusal("/runs").find("would hold the folder"), std::string::npos);
}

Prompt prompt_of(const std::string& text, const std::string& place) {
  return {place, {user_turn(text)}, Json::object(), place};
}

TEST(DevelopmentPrompts, ThatAreDoubledAreNamed) {
  const std::vector<Prompt> prompts{prompt_of("a", "dev:1"), prompt_of("b", "dev:2"),
                                    prompt_of("a", "dev:3")};
  const std::string found =
      error_of([&] { check_distinct(prompts, split_texts(prompts), 0, "dev"); });
  EXPECT_EQ(found.rfind("dev:3: repeats the prompt of dev:1", 0), 0U) << found;
  EXPECT_NE(error_of([&] { check_distinct({}, {}, 2, "dev"); }).find("2 rows repeat"),
            std::string::npos);
}

TEST(DevelopmentPrompts, AreTheSameInWhateverShapeTheySayIt) {
  const Json parts = Json::array({{{"type", "text"}, {"text", "a b"}}});
  Prompt in_parts = prompt_of("", "dev:2");
  in_parts.chat.messages = Json::array({{{"content", parts}, {"role", "user"}, {"name", nullptr}}});
  Prompt talk = prompt_of("", "dev:3");
  talk.chat.messages = Json::array({{{"role", "system"}, {"content", "s"}}, user_turn("a b")[0]});
  Prompt talk_in_parts = talk;
  talk_in_parts.chat.messages[1] = in_parts.chat.messages[0];
  const auto texts = split_texts({prompt_of("a b", "dev:1"), in_parts, talk, talk_in_parts});
  EXPECT_EQ(texts[0], "a b");
  EXPECT_EQ(texts[1], texts[0]);
  EXPECT_EQ(texts[3], texts[2]);
  EXPECT_NE(texts[2], texts[0]);
}

TEST(DevelopmentPrompts, DifferByAllThatTheTemplateSees) {
  Prompt plain = prompt_of("a", "dev:1");
  Prompt with_tools = plain;
  with_tools.chat.variables["tools"] = Json::array({{{"name", "f"}}});
  Prompt with_system = plain;
  with_system.chat.messages =
      Json::array({{{"role", "system"}, {"content", "s"}}, user_turn("a")[0]});
  const auto texts = split_texts({plain, with_tools, with_system});
  EXPECT_EQ(texts[0], "a");
  EXPECT_NE(texts[1], texts[0]);
  EXPECT_NE(texts[2], texts[0]);
  EXPECT_NE(texts[2], texts[1]);
}

}  // namespace
}  // namespace expo
