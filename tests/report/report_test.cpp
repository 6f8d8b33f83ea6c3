#include "expo/report/report.h"

#include <gtest/gtest.h>

#include "expo/core/disk/memory_filesystem.h"
#include "expo/core/error.h"
#include "expo/core/text.h"
#include "expo/core/version.h"
#include "report/unpacked.h"
#include "support/refusal.h"

namespace expo {
namespace {

const char* const kRecord = R"({"expo": "0.1.0", "command": "search",
  "settings": {"answers": {"max_new_tokens": 64}, "search": {"objective": "command"}}})";
const char* const kResult = R"({"schema": "expo-search-1", "alpha": 2.0, "verdict": "gain"})";
const char* const kPrompts =
    R"({"prompt":"p1","part":"choosing","messages":[{"role":"user","content":"One?"}]}
{"prompt":"p2","part":"confirming","messages":[{"role":"system","content":"S"},{"role":"user","content":[{"type":"text","text":"Two"},{"type":"text","text":"?"}]}]}
)";

std::string answer(const std::string& key, const std::string& label, const std::string& prompt,
                   const std::string& text, int tokens, const std::string& ending = "stop",
                   const std::string& limit = "64") {
  return R"({"key":")" + key + R"(","limit":)" + limit + R"(,"candidate":")" + label +
         R"(","prompt":")" + prompt + R"(","sample":0,"text":")" + text + R"(","finish_reason":")" +
         ending + R"(","tokens":)" + std::to_string(tokens) + "}\n";
}

std::string score(const std::string& key, const std::string& scorer, double value,
                  const std::string& limit = "64") {
  return R"({"key":")" + key + R"(","limit":)" + limit + R"(,"scorer":")" + scorer +
         R"(/row","score":)" + std::to_string(value) + "}\n";
}

class ReportTest : public testing::Test {
 protected:
  ReportTest() { disk_.create_directory("/pages"); }

  void put(const std::string& path, std::string_view text) {
    disk_.create_directory(std::filesystem::path(path).parent_path());
    disk_.write_text(path, text);
  }

  void put_search(const std::string& folder, const std::string& answers) {
    put(folder + "/run.json", kRecord);
    put(folder + "/search.json", kResult);
    put(folder + "/prompts.jsonl", kPrompts);
    put(folder + "/trace.jsonl", "{\"look\":1}\n{\"confirmed\":2.0}\n");
    put(folder + "/answers.jsonl", "{\"format\":\"expo-answers-1\"}\n" + answers);
    put(folder + "/sessions.jsonl",
        "{\"format\":\"expo-sessions-1\"}\n"
        "{\"started\":\"a\",\"command\":\"c\",\"expo\":\"0\",\"machine\":{}}\n"
        "{\"started\":\"b\",\"command\":\"c\",\"expo\":\"0\",\"machine\":{\"cores\":2}}\n"
        "{\"ended\":\"e\"}\n");
  }

  Json page_of(const std::vector<std::string>& runs) {
    write_report(disk_, {runs, "/pages/report.html", true, "the command", "now"}, token_);
    return data_of(disk_.read_text("/pages/report.html"));
  }

  Json run_of(const std::string& run) { return page_of({run}).at("runs").at(0); }

  /// The refusal of a page, which must leave nothing behind.
  Error refused(const std::vector<std::string>& runs) {
    try {
      write_report(disk_, {runs, "/pages/refused.html", false, "", ""}, token_);
    } catch (const Error& error) {
      EXPECT_TRUE(disk_.list("/pages").empty());
      return error;
    }
    ADD_FAILURE() << "no refusal";
    return usage_error("");
  }

  void expect_refusal(const std::vector<std::string>& runs, ErrorCategory category,
                      std::string_view words) {
    const Error error = refused(runs);
    EXPECT_EQ(error.category(), category) << error.what();
    EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
  }

  MemoryFilesystem disk_;
  CancellationToken token_;
};

bool says(const Json& run, std::string_view words) {
  for (const Json& sentence : run.at("missing")) {
    if (sentence.get<std::string>().find(words) != std::string::npos) return true;
  }
  return false;
}

TEST_F(ReportTest, ASearchIsOnThePageWhole) {
  put_search("/run", answer("k1", "α = 0", "p1", "first", 7) + score("k1", "d", 0.5) +
                         answer("k2", "α = 2", "p2", "second", 64, "length") + score("k2", "d", 1) +
                         score("k1", "other", 9));
  const Json data = page_of({"/run/"});
  EXPECT_EQ(data.at("schema"), "expo-report-1");
  EXPECT_EQ(data.at("expo"), version());
  EXPECT_EQ(data.at("made"), "now");
  EXPECT_EQ(data.at("command"), "the command");
  const Json& run = data.at("runs").at(0);
  EXPECT_EQ(run.at("kind"), "search");
  EXPECT_EQ(run.at("name"), "run");
  EXPECT_EQ(run.at("folder"), "/run/");
  EXPECT_EQ(run.at("result"), Json::parse(kResult));
  EXPECT_EQ(run.at("settings"), Json::parse(kRecord));
  EXPECT_EQ(run.at("looks"), Json::parse(R"([{"look":1},{"confirmed":2.0}])"));
  EXPECT_EQ(run.at("sessions"), Json::parse(R"([
    {"started":"a","ended":null,"command":"c","expo":"0","machine":{}},
    {"started":"b","ended":"e","command":"c","expo":"0","machine":{"cores":2}}])"));
  EXPECT_EQ(run.at("labels"), Json::parse(R"(["α = 0", "α = 2"])"));
  EXPECT_EQ(run.at("prompts"), Json::parse(R"({"id":["p1","p2"],"part":["choosing","confirming"],
    "text":["One?","Two ?"],"messages":[null,[{"role":"system","content":"S"},
      {"role":"user","content":[{"type":"text","text":"Two"},{"type":"text","text":"?"}]}]]})"));
  EXPECT_EQ(run.at("answers"), Json::parse(R"({"label":[0,1],"prompt":[0,1],"sample":[0,0],
    "text":["first","second"],"score":[0.5,1.0],"tokens":[7,64],"ending":["stop","length"]})"));
  EXPECT_EQ(run.at("missing"), Json::array());
}

TEST_F(ReportTest, AnswersThatTheScreeningCutAreLeftOut) {
  // k1 ended by itself below the cap, k2 was cut and made again, k3 was cut and dropped.
  put_search("/run", answer("k1", "α = 0", "p1", "short", 9, "stop", "24") +
                         answer("k2", "α = 2", "p1", "cu", 24, "length", "24") +
                         answer("k3", "α = 9", "p1", "en", 24, "length", "24") +
                         answer("k2", "α = 2", "p1", "cut no more", 40) +
                         score("k1", "d", 1, "24") + score("k2", "d", 0));
  const Json run = run_of("/run");
  EXPECT_EQ(run.at("answers").at("text"), Json::parse(R"(["short", "cut no more"])"));
  EXPECT_EQ(run.at("answers").at("score"), Json::parse("[1.0, 0.0]"));
  EXPECT_TRUE(says(run, "2 answers that the screening cut short"));
}

TEST_F(ReportTest, WithoutALimitInTheSettingsTheLargestOneCounts) {
  put_search("/run", answer("k1", "α = 0", "p1", "cut", 24, "length", "24") +
                         answer("k2", "α = 0", "p2", "long", 90, "length", "90"));
  disk_.remove("/run/run.json");
  const Json run = run_of("/run");
  EXPECT_EQ(run.at("answers").at("text"), Json::parse(R"(["long"])"));
  EXPECT_TRUE(run.at("settings").is_null());
  EXPECT_TRUE(says(run, "no run.json"));
}

TEST_F(ReportTest, ScoresThatWereTakenBackAreNotShown) {
  put_search("/run", answer("k1", "α = 0", "p1", "a", 1) + answer("k2", "α = 0", "p2", "b", 1) +
                         score("k1", "d", 0.25) + score("k2", "d", 0.25) + "{\"void\":\"d/\"}\n" +
                         score("k2", "d", 0.75) + "{\"void\":\"other/\"}\n");
  const Json run = run_of("/run");
  EXPECT_EQ(run.at("answers").at("score"), Json::parse("[null, 0.75]"));
  EXPECT_TRUE(says(run, "1 answer without a score"));
}

TEST_F(ReportTest, ARunThatHasHardlyBegunSaysWhatIsMissing) {
  put("/run/run.json", kRecord);
  const Json run = run_of("/run");
  for (const char* name : {"search.json", "sessions.jsonl", "prompts.jsonl", "trace.jsonl"})
    EXPECT_TRUE(says(run, std::string("There is no ") + name)) << name;
  EXPECT_TRUE(says(run, "no answers yet"));
  EXPECT_TRUE(run.at("result").is_null());
  EXPECT_EQ(run.at("looks"), Json::array());
  EXPECT_EQ(run.at("sessions"), Json::array());
  EXPECT_EQ(run.at("answers").at("text"), Json::array());
  EXPECT_EQ(run.at("prompts").at("id"), Json::array());
  put("/run/answers.jsonl", "");
  EXPECT_TRUE(says(run_of("/run"), "no answers yet"));
}

TEST_F(ReportTest, LinesThatWereCutOffAreLeftOut) {
  put_search("/run", answer("k1", "α = 0", "p1", "whole", 3) + R"({"key":"k2","limit":64,"tex)");
  put("/run/trace.jsonl", "{\"look\":1}\n{\"look\":2");
  const Json run = run_of("/run");
  EXPECT_EQ(run.at("answers").at("text"), Json::parse(R"(["whole"])"));
  EXPECT_EQ(run.at("looks").size(), 1U);
  EXPECT_TRUE(says(run, "The last line of answers.jsonl was cut off"));
  EXPECT_TRUE(says(run, "The last line of trace.jsonl was cut off"));
}

TEST_F(ReportTest, PromptsOfEarlierVersionsComeFromTheSamples) {
  put_search("/run", answer("k1", "α = 0", "p1", "a", 1) + answer("k2", "α = 0", "p2", "b", 1));
  disk_.remove("/run/prompts.jsonl");
  put("/run/samples.jsonl",
      R"({"prompt_id":"p2","messages":[{"role":"user","content":"Two?"}],"answers":[]})"
      "\n");
  const Json run = run_of("/run");
  EXPECT_EQ(run.at("prompts"), Json::parse(R"({"id":["p2","p1"],"part":["confirming",null],
    "text":["Two?",""],"messages":[null,null]})"));
  EXPECT_EQ(run.at("answers").at("prompt"), Json::parse("[1, 0]"));
  EXPECT_TRUE(says(run, "The text of 1 prompt"));
}

TEST_F(ReportTest, WhatIsNoUnicodeIsMarkedAndHostileTextIsText) {
  put_search("/run", answer("k1", "α = 0", "p1", "a\xFF\xE2\x82 \\ud83d </script>@EXPO", 1));
  const Json run = run_of("/run");
  EXPECT_EQ(run.at("answers").at("text").at(0),
            "a\xEF\xBF\xBD\xEF\xBF\xBD \xEF\xBF\xBD </script>@EXPO");
}

TEST_F(ReportTest, PartsOfAMessageWithoutWordsSayNothing) {
  put_search("/run", "");
  put("/run/prompts.jsonl",
      R"({"prompt":"p","part":"choosing","messages":[{"role":"user","content":[{"text":null},)"
      R"({"text":"What"},{"text":7},{"type":"image"},8,{"text":"now?"},{"text":["x"]}]}]})"
      "\n");
  EXPECT_EQ(run_of("/run").at("prompts").at("text"), Json::parse(R"(["What now?"])"));
}

TEST_F(ReportTest, PromptsOfWhichNoAnswerIsShownAreNotAdded) {
  put_search("/run", answer("k1", "α = 0", "p8", "cut", 24, "length", "24") +
                         answer("k2", "α = 0", "p9", "a", 1) + answer("k3", "α = 0", "p1", "b", 1) +
                         answer("k4", "α = 2", "p9", "c", 1));
  const Json run = run_of("/run");
  EXPECT_EQ(run.at("prompts").at("id"), Json::parse(R"(["p1","p2","p9"])"));
  EXPECT_EQ(run.at("answers").at("prompt"), Json::parse("[2, 0, 2]"));
}

TEST_F(ReportTest, ATrainingHasItsMetrics) {
  put("/dpo/run.json",
      R"({"expo":"0.1.0","command":"expo train dpo","config":{"output_dir":"o"}})");
  put("/dpo/metrics.jsonl", "{\"step\":1,\"loss\":0.5}\n{\"step\":1,\"eval_loss\":null}\n{\"st");
  Json run = run_of("/dpo");
  EXPECT_EQ(run.at("kind"), "train");
  EXPECT_EQ(run.at("settings").at("command"), "expo train dpo");
  EXPECT_EQ(run.at("metrics"),
            Json::parse(R"([{"step":1,"loss":0.5},{"step":1,"eval_loss":null}])"));
  EXPECT_TRUE(says(run, "The last line of metrics.jsonl"));
  EXPECT_TRUE(says(run, "not finished"));
  disk_.create_directory("/dpo/final");
  disk_.remove("/dpo/metrics.jsonl");
  run = run_of("/dpo");
  EXPECT_TRUE(says(run, "no step was taken"));
  EXPECT_FALSE(says(run, "not finished"));
}

TEST_F(ReportTest, AnInspectionIsAFile) {
  const std::string pair = R"({"sft":{},"aligned":{},"by_layer":[],"tensors":[{"name":"x"}]})";
  put("/pair.json", pair);
  Json run = run_of("/pair.json");
  EXPECT_EQ(run.at("kind"), "inspection");
  EXPECT_EQ(run.at("inspection"), Json::parse(pair));
  EXPECT_EQ(run.at("missing"), Json::array());
  put("/one.json", R"({"location":"x","kinds":{},"tensors":[]})");
  EXPECT_TRUE(says(run_of("/one.json"), "One checkpoint"));
}

TEST_F(ReportTest, SeveralRunsHaveNamesThatTellThemApart) {
  put_search("/lab/a/run", "");
  put_search("/lab/b/run", "");
  put_search("/lab/b/run/inner", "");
  const Json two = page_of({"/lab/a/run", "/lab/b/run"});
  EXPECT_EQ(two.at("runs").at(0).at("name"), "a");
  EXPECT_EQ(two.at("runs").at(1).at("name"), "b");
  const Json nested = page_of({"/lab/b/run", "/lab/b/run/inner"});
  EXPECT_EQ(nested.at("runs").at(0).at("name"), "run");
  EXPECT_EQ(nested.at("runs").at(1).at("name"), "run/inner");
}

TEST_F(ReportTest, RefusesWhatIsNoRun) {
  put("/empty/notes.txt", "x");
  put("/other/run.json", "{\"command\":\"other\"}");
  put("/text.json", "no json");
  put("/list.json", "[]");
  expect_refusal({"/none"}, ErrorCategory::input, "/none: is not there; expected the folder");
  expect_refusal({"/empty"}, ErrorCategory::input, "/empty: is no run, as it holds no run.json");
  expect_refusal({"/other"}, ErrorCategory::input, "neither a search's nor a training's");
  expect_refusal({"/text.json"}, ErrorCategory::input, "/text.json: not valid JSON");
  expect_refusal({"/list.json"}, ErrorCategory::input, "/list.json: is no run");
  put_search("/run", "");
  expect_refusal({"/run/search.json"}, ErrorCategory::input, "name its folder, /run");
  expect_refusal({}, ErrorCategory::usage, "no run is named");
}

TEST_F(ReportTest, RefusesRunsThatDoNotCompare) {
  put_search("/run", "");
  put("/pair.json", R"({"sft":{},"aligned":{},"by_layer":[],"tensors":[]})");
  expect_refusal({"/run", "/pair.json"}, ErrorCategory::usage,
                 "/run and /pair.json do not compare: the first is a search, the other one an "
                 "inspection");
  expect_refusal({"/run", "/run/"}, ErrorCategory::usage, "is named twice");
}

TEST_F(ReportTest, RefusesOtherVersionsAndDamagedFiles) {
  put_search("/run", "");
  put("/run/search.json", R"({"schema":"expo-search-2"})");
  expect_refusal({"/run"}, ErrorCategory::input,
                 "/run/search.json: has the schema \"expo-search-2\"");
  put_search("/run", "");
  put("/run/answers.jsonl", "{\"format\":\"expo-answers-2\"}\n{}\n");
  expect_refusal({"/run"}, ErrorCategory::input, "has the format expo-answers-2, but");
  put("/run/answers.jsonl", "{\"format\":\"other-1\"}\n");
  expect_refusal({"/run"}, ErrorCategory::input, "so no run has left it here");
  put_search("/run", "no json\n" + answer("k1", "α = 0", "p1", "a", 1));
  expect_refusal({"/run"}, ErrorCategory::input, "/run/answers.jsonl:2: not valid JSON");
  put_search("/run", "[1]\n");
  expect_refusal({"/run"}, ErrorCategory::input, "/run/answers.jsonl:2: is no JSON object");
  put_search("/run", "{\"key\":\"k\"}\n");
  expect_refusal({"/run"}, ErrorCategory::input, "answers.jsonl:2: is not a line");
  put_search("/run", "");
  put("/run/prompts.jsonl", "{\"prompt\":\"p\",\"part\":\"third\",\"messages\":[]}\n");
  expect_refusal({"/run"}, ErrorCategory::input, "prompts.jsonl:1: is not a line");
  put_search("/run", "");
  put("/run/trace.jsonl", "3\n");
  expect_refusal({"/run"}, ErrorCategory::input, "trace.jsonl:1: is no JSON object");
}

TEST_F(ReportTest, RefusesNumbersThatNoSearchHasLeft) {
  for (const char* limit : {"-1", "2.5", "1e300", "true", "18446744073709551616"}) {
    put_search("/run", answer("k1", "α = 0", "p1", "a", 1, "stop", limit));
    expect_refusal({"/run"}, ErrorCategory::input, "answers.jsonl:2: is not a line");
  }
  put_search("/run", answer("k1", "α = 0", "p1", "a", -1));
  expect_refusal({"/run"}, ErrorCategory::input, "answers.jsonl:2: is not a line");
  std::string line = answer("k1", "α = 0", "p1", "a", 1);
  line.replace(line.find("\"sample\":0"), 10, "\"sample\":1e300");
  put_search("/run", line);
  expect_refusal({"/run"}, ErrorCategory::input, "answers.jsonl:2: is not a line");
}

TEST_F(ReportTest, SparesTheFilesOfItsRuns) {
  put_search("/run", "");
  put("/run/inner/notes.json", "{}");
  disk_.create_link("/run", "/alias");
  const std::string before = disk_.read_text("/run/answers.jsonl");
  for (const char* output : {"/run/answers.jsonl", "/run/new", "/run/inner/notes.json",
                             "/pages/../run/answers.jsonl", "/alias/answers.jsonl"}) {
    const std::string message = refusal(ErrorCategory::usage, [&] {
      write_report(disk_, {{"/run/"}, output, true, "", ""}, token_);
    });
    EXPECT_NE(message.find("lies in /run/, which the page shows"), std::string::npos) << message;
  }
  EXPECT_EQ(disk_.read_text("/run/answers.jsonl"), before);
  EXPECT_FALSE(disk_.exists("/run/new"));
  disk_.create_directory("/run-2");
  for (const char* output : {"/run/mine.html", "/run/inner/report.html", "/run-2/answers.jsonl"})
    EXPECT_GT(write_report(disk_, {{"/run"}, output, true, "", ""}, token_).bytes, 0U);
}

TEST_F(ReportTest, ReplacesALinkAndNotWhatItLeadsTo) {
  put_search("/run", "");
  const std::string before = disk_.read_text("/run/answers.jsonl");
  disk_.create_link("/run/answers.jsonl", "/pages/report.html");
  EXPECT_EQ(run_of("/run").at("kind"), "search");
  EXPECT_EQ(disk_.read_text("/run/answers.jsonl"), before);
}

TEST_F(ReportTest, DoesNotReplaceItsInput) {
  put("/pages/pair.json", R"({"sft":{},"aligned":{},"by_layer":[],"tensors":[]})");
  try {
    write_report(disk_, {{"/pages/pair.json"}, "/pages/pair.json", true, "", ""}, token_);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("is an input"), std::string::npos);
  }
}

TEST_F(ReportTest, ACancelledPageLeavesNothing) {
  put_search("/run", "");
  token_.cancel();
  EXPECT_EQ(refused({"/run"}).category(), ErrorCategory::interrupted);
}

TEST(Page, HasOnePlaceForItsData) {
  EXPECT_EQ(split_page("a@EXPO_REPORT_DATA@b").before, "a");
  EXPECT_EQ(split_page("a@EXPO_REPORT_DATA@b").after, "b");
  EXPECT_THROW(split_page("ab"), std::logic_error);
  EXPECT_THROW(split_page("@EXPO_REPORT_DATA@@EXPO_REPORT_DATA@"), std::logic_error);
  EXPECT_NE(embedded_page().before.find("Content-Security-Policy"), std::string_view::npos);
  EXPECT_TRUE(embedded_page().after.ends_with("</html>\n"));
}

}  // namespace
}  // namespace expo
