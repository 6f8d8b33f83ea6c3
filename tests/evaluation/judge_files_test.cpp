#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "evaluation/fake_chat_model.h"
#include "expo/core/disk/filesystem.h"
#include "expo/core/disk/memory_filesystem.h"
#include "expo/core/json.h"
#include "expo/evaluation/annotations.h"
#include "expo/evaluation/judge/annotation_output.h"
#include "expo/evaluation/judge/answer_pairs.h"
#include "expo/evaluation/judge/judge.h"
#include "expo/evaluation/judge/known_annotations.h"
#include "expo/evaluation/leaderboard_row.h"
#include "support/contains.h"
#include "support/refusal.h"

namespace expo {
namespace {

const std::filesystem::path kSource(EXPO_SOURCE_DIR);
const char* const kAnnotator = "weighted_alpaca_eval_gpt4_turbo";

Json output_row(const std::string& instruction, const std::string& output,
                const std::string& generator) {
  return {{"dataset", "helpful_base"},
          {"instruction", instruction},
          {"output", output},
          {"generator", generator}};
}

/// Files of answers in memory, which a test changes before it reads them.
class AnswerFiles : public testing::Test {
 protected:
  AnswerFiles() {
    for (const char* name : {"one", "two", "three"}) {
      reference_.push_back(output_row(name, std::string("reference to ") + name, "gpt4"));
      model_.push_back(output_row(name, std::string("answer to ") + name, "zephyr"));
    }
  }

  AnswerPairs read(bool allow_missing = false) {
    filesystem_.write_text("/reference.json", compact_json(reference_));
    filesystem_.write_text("/model.json", compact_json(model_));
    return read_answer_pairs(filesystem_, "/model.json", "/reference.json", allow_missing);
  }
  std::string refused() {
    return refusal(ErrorCategory::input, [&] { read(); });
  }

  MemoryFilesystem filesystem_;
  Json reference_ = Json::array();
  Json model_ = Json::array();
};

TEST_F(AnswerFiles, AreJoinedByInstruction) {
  const AnswerPairs pairs = read();
  EXPECT_EQ(pairs.baseline, "gpt4");
  EXPECT_EQ(pairs.model, "zephyr");
  EXPECT_TRUE(pairs.warnings.empty());
  ASSERT_EQ(pairs.rows.size(), 3U);
  EXPECT_EQ(pairs.rows[1].index, 1U);
  EXPECT_EQ(pairs.rows[1].instruction, "two");
  EXPECT_EQ(pairs.rows[1].baseline_output, "reference to two");
  EXPECT_EQ(pairs.rows[1].model_output, "answer to two");
  EXPECT_EQ(pairs.rows[1].dataset, "helpful_base");
  EXPECT_EQ(pairs.rows[1].place, "/model.json: entry 2");
}

TEST_F(AnswerFiles, OfExpoGenerateAreReadInEachOfItsFormats) {
  for (Json& row : model_) {
    const std::string name = row.at("instruction");
    const Json turn{{"role", "assistant"}, {"content", row.at("output")}};
    row = {{"prompt", name},
           {"prompt_id", name},
           {"messages", Json::array({{{"role", "user"}, {"content", name}}, turn})},
           {"sample", 0}};
  }
  EXPECT_EQ(read().rows[1].model_output, "answer to two");
  EXPECT_EQ(read().model, "model");
  // The plain format adds columns to the data set's own, which may be the reference's.
  model_ = reference_;
  for (Json& row : model_)
    row.update({{"answer", "written"}, {"sample", 0}, {"finish_reason", "stop"}});
  EXPECT_EQ(read().rows[1].model_output, "written");
  EXPECT_EQ(read().model, "model");
  model_[2]["sample"] = 1;
  model_[2]["instruction"] = "one";
  EXPECT_TRUE(contains(refused(), "is also that of /model.json: entry 1; expected one answer"));
}

TEST_F(AnswerFiles, InAnotherOrderArePutInTheReferences) {
  std::swap(model_[0], model_[2]);
  const AnswerPairs pairs = read();
  EXPECT_EQ(pairs.rows[0].model_output, "answer to one");
  EXPECT_EQ(pairs.rows[0].place, "/model.json: entry 3");
  ASSERT_EQ(pairs.warnings.size(), 1U);
  EXPECT_TRUE(contains(pairs.warnings[0], "/model.json: the answers are in another order"));
}

TEST_F(AnswerFiles, OfAnotherInstructionSetAreRefused) {
  model_[1]["instruction"] = "another\nquestion";
  model_[2]["instruction"] = "a third";
  const std::string message = refused();
  EXPECT_TRUE(contains(message,
                       "/model.json: entry 2: the instruction \"another\\x0aquestion\" is "
                       "not in /reference.json (2 of 3 rows are not); expected answers"));
}

TEST_F(AnswerFiles, ThatAreMissingAreRefusedUnlessAllowed) {
  model_.erase(1);
  EXPECT_TRUE(contains(refused(),
                       "/model.json: there is no answer to 1 instruction of the "
                       "reference, first to \"two\" (/reference.json: entry 2)"));
  const AnswerPairs pairs = read(true);
  EXPECT_EQ(pairs.missing, 1U);
  ASSERT_EQ(pairs.rows.size(), 2U);
  EXPECT_EQ(pairs.rows[1].index, 2U);
}

TEST_F(AnswerFiles, ThatAreDoubledAreRefused) {
  model_.push_back(model_[0]);
  EXPECT_TRUE(contains(refused(),
                       "/model.json: entry 4: the instruction \"one\" is also that of "
                       "/model.json: entry 1; expected one answer to each"));
}

TEST_F(AnswerFiles, ThatAreMalformedAreRefused) {
  model_[1]["output"] = nullptr;
  EXPECT_TRUE(
      contains(refused(), "/model.json: entry 2: output is of the type null; expected text"));
  model_[1].erase("output");
  EXPECT_TRUE(
      contains(refused(), "/model.json: entry 2: there is no output; expected answers in "));
  model_[1]["output"] = "x";
  model_[2]["generator"] = "other";
  EXPECT_TRUE(
      contains(refused(), "entry 3: generator is \"other\", but \"zephyr\" in a row before"));
  model_ = Json::array();
  EXPECT_TRUE(contains(refused(), "/model.json: there is no answer; expected one to each"));
}

/// Annotations of earlier runs, and the pair that they are asked about.
class EarlierAnnotations : public testing::Test {
 protected:
  static Json row(const Json& preference, const std::string& annotator = kAnnotator) {
    return {{"instruction", "one"},
            {"output_1", "a"},
            {"output_2", "b"},
            {"annotator", annotator},
            {"preference", preference}};
  }
  KnownAnnotations read(const Json& rows) {
    filesystem_.write_text("/annotations.json", compact_json(rows));
    return {filesystem_, "/annotations.json", kAnnotator};
  }
  MemoryFilesystem filesystem_;
  AnswerPair pair_{.instruction = "one", .baseline_output = "a", .model_output = "b"};
};

TEST_F(EarlierAnnotations, AreReusedForTheSameAnswers) {
  Json annotated = row(1.25);
  annotated["preference_date"] = "2024-01-01";
  const KnownAnnotations known = read(Json::array({annotated}));
  ASSERT_NE(known.find(pair_), nullptr);
  EXPECT_EQ(known.find(pair_)->preference, 1.25);
  EXPECT_EQ(known.find(pair_)->details, (Json{{"preference_date", "2024-01-01"}}));
  pair_.model_output = "c";
  EXPECT_EQ(known.find(pair_), nullptr);
}

TEST_F(EarlierAnnotations, ThatFailedAreAskedAgain) {
  const KnownAnnotations known = read(Json::array({row(-1), row(nullptr)}));
  EXPECT_EQ(known.find(pair_), nullptr);
  EXPECT_EQ(known.failed(), 2U);
  EXPECT_EQ(read(Json::array({row(-1), row(0)})).find(pair_)->preference, 1.5);
}

TEST_F(EarlierAnnotations, OfAnotherJudgeAreNotReused) {
  const KnownAnnotations known = read(Json::array({row(1.5, "alpaca_eval_gpt4")}));
  EXPECT_EQ(known.find(pair_), nullptr);
  EXPECT_EQ(known.other_judges(), 1U);
}

TEST_F(EarlierAnnotations, OfSeveralRequestsAreKeptApart) {
  Json first = row(1.25);
  first["request_sha256"] = "k1";
  Json second = row(1.75);
  second["request_sha256"] = "k2";
  const KnownAnnotations known = read(Json::array({first, second, row(1)}));
  ASSERT_NE(known.find(pair_, "k1"), nullptr);
  EXPECT_EQ(known.find(pair_, "k1")->preference, 1.25);
  EXPECT_EQ(known.find(pair_, "k2")->preference, 1.75);
  EXPECT_EQ(known.find(pair_)->preference, 1);
  EXPECT_EQ(known.find(pair_, "k3"), nullptr);
  first["request_sha256"] = 7;
  EXPECT_TRUE(
      contains(refusal(ErrorCategory::input, [&] { read(Json::array({first})); }),
               "/annotations.json: entry 1: request_sha256 is of the type number; expected text"));
}

TEST_F(EarlierAnnotations, ThatContradictEachOtherAreRefused) {
  EXPECT_EQ(read(Json::array({row(1.25), row(1.25)})).find(pair_)->preference, 1.25);
  EXPECT_TRUE(contains(refusal(ErrorCategory::input,
                               [&] {
                                 read(Json::array({row(1.25), row(1.5)}));
                               }),
                       "/annotations.json: entry 2: preference is 1.5, but 1.25 for the same "
                       "instruction and answers "
                       "in /annotations.json: entry 1"));
  EXPECT_TRUE(contains(refusal(ErrorCategory::input, [&] { read(Json::array({row(7)})); }),
                       "entry 1: preference is 7"));
}

TEST(AnnotationOutput, HasAlpacaEvalsColumnsAndIsReadAgain) {
  MemoryFilesystem filesystem;
  AnswerPairs pairs{.baseline = "gpt4", .model = "zephyr"};
  pairs.rows.push_back({.index = 0,
                        .instruction = "one",
                        .dataset = "koala",
                        .baseline_output = "äbc",
                        .model_output = "de"});
  pairs.rows.push_back(
      {.index = 2, .instruction = "three", .baseline_output = "f", .model_output = "ghi"});
  JudgeResult result;
  result.rows.push_back({.preference = 1.0 + 1.0 / 3,
                         .source = VerdictSource::reply,
                         .details = {{"preference_raw_completion", {{"text", "m"}}}}});
  result.rows.push_back({.failure = "HTTP 500"});
  const Json json = annotations_json(pairs, result, kAnnotator);
  const Json goldens = parse_json(
      posix_filesystem().read_text(kSource / "tests/evaluation/judge_goldens.json"), "goldens");
  for (const auto& [name, value] : json[0].items()) {
    const Json& columns = goldens.at("columns");
    EXPECT_TRUE(name == "index" || name == "request_sha256" ||
                std::count(columns.begin(), columns.end(), Json(name)) == 1)
        << name;
  }
  write_annotations(filesystem, "/out/annotations.json", json);
  const Annotations read = read_annotations(filesystem, "/out/annotations.json");
  const Annotations direct = to_annotations(pairs, result, kAnnotator, "here");
  for (const Annotations* annotations : {&read, &direct}) {
    EXPECT_EQ(annotations->model, "zephyr");
    EXPECT_EQ(annotations->baseline, "gpt4");
    EXPECT_EQ(annotations->judge, kAnnotator);
    ASSERT_EQ(annotations->rows.size(), 2U);
    EXPECT_EQ(annotations->rows[0].baseline_length, 3U);
    EXPECT_EQ(annotations->rows[0].preference, 1.0 + 1.0 / 3);
    EXPECT_EQ(annotations->rows[1].index, 2U);
    EXPECT_FALSE(annotations->rows[1].preference);
  }
}

TEST(AnnotationOutput, IsReusedByTheNextRunExceptWhereTheJudgeFailed) {
  MemoryFilesystem filesystem;
  AnswerPairs pairs{.baseline = "gpt4", .model = "zephyr"};
  for (const char* name : {"one", "two"})
    pairs.rows.push_back({.instruction = name, .baseline_output = "a", .model_output = "b"});
  JudgeResult result;
  result.rows.push_back({.preference = 1.0 + 1.0 / 3, .details = {{"preference_date", "x"}}});
  result.rows.push_back({.failure = "HTTP 500"});
  write_annotations(filesystem, "/annotations.json", annotations_json(pairs, result, kAnnotator));
  const KnownAnnotations known(filesystem, "/annotations.json", kAnnotator);
  ASSERT_NE(known.find(pairs.rows[0]), nullptr);
  EXPECT_EQ(known.find(pairs.rows[0])->preference, 1.0 + 1.0 / 3);
  EXPECT_EQ(known.find(pairs.rows[1]), nullptr);
  EXPECT_EQ(known.failed(), 1U);

  JudgeCache cache(filesystem, "/replies.jsonl");
  const JudgeTemplate prompt(posix_filesystem(), kSource / "data/judge/alpaca_eval_clf.prompt");
  FakeChatModel model([](const ChatRequest& request, std::uint64_t) { return reply_to(request); });
  const JudgeOptions options{.sampling = {.model = "gpt-4-1106-preview"}};
  Judge judge(pairs, prompt, model.origin(), options, known, cache);
  const JudgeResult again = judge.run(model, CancellationToken());
  EXPECT_EQ(model.asked.size(), 1U);
  EXPECT_EQ(again.rows[0].source, VerdictSource::annotation);
  const Json row = annotations_json(pairs, again, kAnnotator)[0];
  EXPECT_EQ(row.at("preference_date"), "x");
}

/// Annotations of one run, and runs after it that are asked in another way.
class LaterRun : public testing::Test {
 protected:
  LaterRun() {
    pairs_.rows.push_back({.instruction = "one", .baseline_output = "a", .model_output = "b"});
    options_.sampling.model = "gpt-4-1106-preview";
    prompt_text_ = posix_filesystem().read_text(kSource / "data/judge/alpaca_eval_clf.prompt");
  }

  /// Asks with the options as they are now, and puts the annotations in place of those before.
  VerdictSource run(const std::string& origin = "https://judge.example/v1") {
    filesystem_.write_text("/judge.prompt", prompt_text_);
    const JudgeTemplate prompt(filesystem_, "/judge.prompt");
    JudgeCache cache(filesystem_, "/replies" + std::to_string(++runs_) + ".jsonl");
    FakeChatModel model([](const ChatRequest& request, std::uint64_t) { return reply_to(request); },
                        64, origin);
    Judge judge(pairs_, prompt, model.origin(), options_, known_, cache);
    const JudgeResult result = judge.run(model, CancellationToken());
    written_ = annotations_json(pairs_, result, kAnnotator);
    return result.rows[0].source;
  }
  void know(const Json& annotations) {
    filesystem_.write_text("/annotations.json", compact_json(annotations));
    known_ = KnownAnnotations(filesystem_, "/annotations.json", kAnnotator);
  }

  MemoryFilesystem filesystem_;
  AnswerPairs pairs_{.baseline = "gpt4", .model = "zephyr"};
  JudgeOptions options_;
  std::string prompt_text_;
  KnownAnnotations known_;
  Json written_;
  int runs_ = 0;
};

TEST_F(LaterRun, ReusesWhatComesFromTheSameRequestOnly) {
  const JudgeOptions usual = options_;
  EXPECT_EQ(run(), VerdictSource::reply);
  know(written_);
  EXPECT_EQ(run(), VerdictSource::annotation);
  EXPECT_EQ(run("https://other.example/v1"), VerdictSource::reply);
  options_.sampling.temperature = 0;
  EXPECT_EQ(run(), VerdictSource::reply);
  options_ = usual;
  options_.replicate = 1;
  EXPECT_EQ(run(), VerdictSource::reply);
  options_ = usual;
  while (is_switched("one", options_.order_seed) == is_switched("one", 0)) ++options_.order_seed;
  EXPECT_EQ(run(), VerdictSource::reply);
  options_ = usual;
  prompt_text_.insert(prompt_text_.find("{instruction}"), "Mind the length. ");
  EXPECT_EQ(run(), VerdictSource::reply);
}

TEST_F(LaterRun, DoesNotTakeAReplicateForTheUsualAnnotation) {
  options_.replicate = 1;
  run();
  know(written_);
  const Json request = written_[0].at("request_sha256");
  EXPECT_EQ(run(), VerdictSource::annotation) << "the same replicate again";
  EXPECT_EQ(written_[0].at("request_sha256"), request);
  options_.replicate = 0;
  EXPECT_EQ(run(), VerdictSource::reply);
}

TEST_F(LaterRun, ReusesAlpacaEvalsOwnWhereItAsksAsAlpacaEvalDoes) {
  run();
  written_[0].erase("request_sha256");
  know(written_);
  EXPECT_EQ(run(), VerdictSource::annotation);
  EXPECT_FALSE(written_[0].contains("request_sha256")) << "what is not known is not claimed";
  const JudgeOptions usual = options_;
  options_.replicate = 1;
  EXPECT_EQ(run(), VerdictSource::reply);
  options_ = usual;
  options_.order_seed = 1;
  EXPECT_EQ(run(), VerdictSource::reply);
  options_ = usual;
  options_.sampling.temperature = 0;
  EXPECT_EQ(run(), VerdictSource::reply);
}

/// The numbers in the rows of a CSV without quotes, its head left out.
std::vector<std::vector<std::string>> table(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<std::vector<std::string>> rows;
  for (std::string line; std::getline(file, line);) {
    std::stringstream fields(line);
    auto& row = rows.emplace_back();
    for (std::string field; std::getline(fields, field, ',');) row.push_back(field);
  }
  rows.erase(rows.begin());
  return rows;
}

struct Published {
  AnswerPairs pairs{.baseline = "gpt4_1106_preview", .model = "zephyr-7b-sft-full"};
  std::vector<double> preferences;
};

/// Answers as long as the published ones, and what gpt-4-1106-preview preferred.
Published published() {
  Published result;
  for (const auto& row : table(kSource / "tests/evaluation/published/zephyr-7b-sft-full.csv")) {
    result.pairs.rows.push_back({.index = std::stoull(row[0]),
                                 .place = "row " + row[0],
                                 .instruction = "Instruction " + row[0],
                                 .baseline_output = std::string(std::stoul(row[1]), 'b'),
                                 .model_output = std::string(std::stoul(row[2]), 'm')});
    result.preferences.push_back(std::stod(row[3]));
  }
  return result;
}

TEST(Judge, GivesThePublishedFiguresFromAJudgeThatPrefersAsPublished) {
  const Published known = published();
  ASSERT_EQ(known.pairs.rows.size(), 805U);
  FakeChatModel model([&](const ChatRequest& request, std::uint64_t) {
    const double preference = known.preferences[request.id];
    const bool switched = is_switched(known.pairs.rows[request.id].instruction, 0);
    return reply_for(switched ? preference - 1 : 2 - preference);
  });
  MemoryFilesystem filesystem;
  JudgeCache cache(filesystem, "/replies.jsonl");
  const JudgeTemplate prompt(posix_filesystem(), kSource / "data/judge/alpaca_eval_clf.prompt");
  const KnownAnnotations none;
  const JudgeOptions options{.sampling = {.model = "gpt-4-1106-preview"}};
  Judge judge(known.pairs, prompt, model.origin(), options, none, cache);
  const JudgeResult result = judge.run(model, CancellationToken());
  for (std::size_t i = 0; i < result.rows.size(); ++i)
    ASSERT_NEAR(result.rows[i].preference.value(), known.preferences[i], 1e-12) << i;

  const ReferenceData reference =
      read_reference_data(posix_filesystem(), kSource / "data/alpaca_eval");
  EvaluationOptions evaluation;
  evaluation.resamples = 100;
  const Json row = to_json(
      evaluate(to_annotations(known.pairs, result, annotator_name("gpt-4-1106-preview"), "here"),
               reference, evaluation, CancellationToken()));
  // tests/evaluation/published/expected.csv
  EXPECT_EQ(row.at("comparable"), true);
  EXPECT_EQ(row.at("n_total"), 805);
  const Json expected = [] {
    std::ifstream file(kSource / "tests/evaluation/published/expected.csv");
    std::string head;
    std::getline(file, head);
    std::stringstream names(head);
    Json values = Json::object();
    const auto rows = table(kSource / "tests/evaluation/published/expected.csv");
    std::size_t column = 0;
    for (std::string name; std::getline(names, name, ','); ++column) values[name] = rows[0][column];
    return values;
  }();
  for (const char* name : {"win_rate", "standard_error", "discrete_win_rate"})
    EXPECT_NEAR(row.at(name).get<double>(), std::stod(expected.at(name).get<std::string>()), 1e-9)
        << name;
  EXPECT_NEAR(row.at("length_controlled_winrate").get<double>(),
              std::stod(expected.at("length_controlled_winrate").get<std::string>()), 0.15);
}

}  // namespace
}  // namespace expo
