#include "expo/search/run/training_overlap.h"

#include <gtest/gtest.h>

#include "expo/core/disk/memory_filesystem.h"
#include "expo/text/chat.h"
#include "tests/support/folder_files.h"

namespace expo {
namespace {

/// A run in /w/run that was started in /w, with its data in /w/pairs.jsonl.
class TrainingOverlapTest : public testing::Test {
 protected:
  void write_run(const Json& config, const Json& data = Json::object()) {
    Json all = {{"method", "dpo"}, {"dataset_name", "pairs.jsonl"}, {"output_dir", "run"}};
    all.update(config);
    write_files(disk_, "/w/run",
                {{"run.json", compact_json({{"config", all}, {"data", data}})},
                 {"final/config.json", "{}"}});
  }
  void write_data(const std::string& text, const std::string& name = "pairs.jsonl") {
    write_files(disk_, "/w", {{name, text}});
  }
  std::vector<std::string> warnings(const std::string& model = "/w/run/final") {
    return overlap_warnings(disk_, model, prompts_);
  }

  MemoryFilesystem disk_;
  std::vector<AskedPrompt> prompts_{
      {user_turn("How tall is it?"), "dev.jsonl:1"},
      {{{{"role", "system"}, {"content", "Be brief."}}, {{"role", "user"}, {"content", "Why?"}}},
       "dev.jsonl:2"},
      {user_turn("When?"), "dev.jsonl:3"}};
  const std::string kPairs =
      "{\"prompt\": \"Who?\", \"chosen\": \"I\", \"rejected\": \"you\"}\n"
      "{\"prompt\": \"Why? \", \"chosen\": \"a\", \"rejected\": \"b\"}\n"
      "{\"prompt\": \"Why?\", \"chosen\": \"c\", \"rejected\": \"d\"}\n"
      "{\"chosen\": [{\"role\": \"user\", \"content\": \"When?\"}, {\"role\": \"assistant\", "
      "\"content\": \"now\"}], \"rejected\": [{\"role\": \"user\", \"content\": \"When?\"}, "
      "{\"role\": \"assistant\", \"content\": \"then\"}]}\n";
};

TEST_F(TrainingOverlapTest, CountsEachPromptOnceAndNamesAnExample) {
  write_data(kPairs);
  write_run({{"fraction", 0.2}});
  ASSERT_EQ(warnings().size(), 1U);
  const std::string said = warnings()[0];
  for (const char* part : {"2 of 3 prompts stand in the data that /w/run/final was trained on",
                           "a share of 0.2", "dev.jsonl:2 (", "pairs.jsonl:2)", "left in"})
    EXPECT_NE(said.find(part), std::string::npos) << part << " in " << said;
}

TEST_F(TrainingOverlapTest, SaysNothingWhereNothingNamesTheData) {
  write_data(kPairs);
  EXPECT_TRUE(warnings("/w/run/final").empty());
  EXPECT_TRUE(warnings("org/model").empty());
  write_files(disk_, "/w/run", {{"run.json", "[]"}, {"final/config.json", "{}"}});
  EXPECT_TRUE(warnings().empty());
  write_run({{"dataset_name", "gone.jsonl"}});
  EXPECT_TRUE(warnings().empty());
}

TEST_F(TrainingOverlapTest, ReadsConversationsOfSft) {
  write_run({{"method", "sft"}, {"dataset_name", "/w/chats.jsonl"}});
  write_data(
      "{\"messages\": [{\"role\": \"system\", \"content\": \"x\"}, {\"role\": \"user\", "
      "\"content\": \"How tall is it?\"}, {\"role\": \"assistant\", \"content\": \"1\"}, "
      "{\"role\": \"user\", \"content\": \"When?\"}, {\"role\": \"assistant\", \"content\": "
      "\"2\"}]}\n{\"prompt\": \"Why?\", \"completion\": \"so\"}\n",
      "chats.jsonl");
  // "When?" is asked of a conversation that has gone on, and is another prompt.
  ASSERT_EQ(warnings().size(), 1U);
  EXPECT_NE(warnings()[0].find("2 of 3 prompts"), std::string::npos) << warnings()[0];
}

TEST_F(TrainingOverlapTest, TellsThatTheDataHaveChanged) {
  write_data(kPairs);
  const auto status = *disk_.status("/w/pairs.jsonl");
  Json file = {
      {"path", "/w/pairs.jsonl"}, {"size", status.size}, {"modified_ns", status.modified_ns}};
  write_run({{"dataset_name", "elsewhere.jsonl"}}, {{"file", file}});
  EXPECT_EQ(warnings().size(), 1U);
  file["size"] = status.size + 1;
  write_run({{"dataset_name", "elsewhere.jsonl"}}, {{"file", file}});
  ASSERT_EQ(warnings().size(), 2U);
  EXPECT_NE(warnings()[1].find("has changed since"), std::string::npos);
  write_data("{\"prompt\": \"Why?\"}\n");
  ASSERT_EQ(warnings().size(), 1U);
  EXPECT_NE(warnings()[0].find("cannot be read any more"), std::string::npos) << warnings()[0];
}

TEST_F(TrainingOverlapTest, TakesTheAdaptersRun) {
  write_data(kPairs);
  write_run(Json::object());
  write_files(disk_, "/w/base", {{"config.json", "{}"}});
  EXPECT_EQ(warnings("/w/base+/w/run/final").size(), 1U);
  EXPECT_TRUE(warnings("/w/base").empty());
}

TEST_F(TrainingOverlapTest, NamesARewardModelThatScoredTheTrainingData) {
  write_data(kPairs);
  write_run(Json::object());
  write_files(disk_, "/w/rm", {{"model.safetensors", "x"}});
  write_files(disk_, "/w/other", {{"model.safetensors", "x"}});
  const auto said = [&](const char* scorer) {
    return teacher_warnings(disk_, "/w/run/final",
                            {std::filesystem::path(scorer) / "model.safetensors"});
  };
  EXPECT_TRUE(said("/w/rm").empty());
  const auto record = [&](bool log_probs) {
    const Json model = {{"files", {{{"path", "/w/rm/model.safetensors"}}}}};
    write_data(compact_json({{"command", "score"},
                             {"settings", {{"model", model}, {"log_probs", log_probs}}}}),
               "pairs.jsonl.run.json");
  };
  record(false);
  ASSERT_EQ(said("/w/rm").size(), 1U);
  EXPECT_NE(said("/w/rm")[0].find("pairs.jsonl"), std::string::npos) << said("/w/rm")[0];
  EXPECT_TRUE(said("/w/other").empty());
  record(true);  // a language model's log-probabilities are no rewards
  EXPECT_TRUE(said("/w/rm").empty());
  for (const char* text : {"[1]", "{\"command\": \"score\"", "{}"}) {
    write_data(text, "pairs.jsonl.run.json");
    EXPECT_TRUE(said("/w/rm").empty()) << text;
  }
}

}  // namespace
}  // namespace expo
