#include "expo/engine/scoring_job.h"

#include <gtest/gtest.h>

#include "expo/core/disk/memory_filesystem.h"
#include "expo/core/error.h"
#include "support/contains.h"

namespace expo {
namespace {

/// Rewards an answer by its length; remembers what it was asked, and what was out by then.
class LengthEngine final : public Engine {
 public:
  struct Call {
    std::size_t conversations;
    std::size_t emitted_before;
  };

  EngineDescription describe() const override {
    return {.name = "length", .kind = "test", .alpha = {}, .warnings = warnings};
  }
  std::vector<std::vector<float>> rewards(std::span<const Conversation> answered,
                                          const TokenSink& advance,
                                          const CancellationToken&) override {
    if (calls.size() == budget) throw interrupted_error("interrupted");
    calls.push_back({answered.size(), emitted.size()});
    if (calls.size() == 1) warnings.emplace_back("rounding lost a part");
    std::vector<std::vector<float>> result;
    for (const Conversation& one : answered) {
      const auto text = one.chat.messages.back().at("content").get<std::string>();
      result.push_back({static_cast<float>(text.size())});
      advance(text.size());
    }
    return result;
  }

  std::vector<Call> calls;
  std::vector<Json> emitted;
  std::size_t budget = 1000;
  std::vector<std::string> warnings = {"known before"};
};

Chat conversation(std::size_t length) {
  return {Json::array({{{"role", "user"}, {"content", "what?"}},
                       {{"role", "assistant"}, {"content", std::string(length, 'x')}}})};
}

/// Answers of 1, 2, 3 … characters.
std::vector<AnsweredRow> singles(std::size_t count) {
  std::vector<AnsweredRow> rows;
  for (std::size_t i = 0; i < count; ++i) {
    rows.push_back({.id = std::to_string(i),
                    .conversations = {conversation(i + 1)},
                    .row = {{"n", i}},
                    .place = "a.jsonl:" + std::to_string(i + 1)});
  }
  return rows;
}

/// Chosen answers of 1, 2, 3 … characters, rejected ones of 5.
std::vector<AnsweredRow> pairs(std::size_t count) {
  std::vector<AnsweredRow> rows = singles(count);
  for (AnsweredRow& row : rows) row.conversations.push_back(conversation(5));
  return rows;
}

ScoringReport run(Filesystem& filesystem, LengthEngine& engine,
                  const std::vector<AnsweredRow>& rows, const ScoringJob& job) {
  return run_scoring(
      filesystem, engine, rows, job, [&](const Json& row) { engine.emitted.push_back(row); },
      nullptr, CancellationToken());
}

TEST(ScoringJob, GivesRowsOutAfterEachBatchInTheirOrder) {
  MemoryFilesystem memory;
  LengthEngine engine;
  ScoringJob job;
  job.batch_size = 3;
  run(memory, engine, singles(8), job);
  ASSERT_EQ(engine.calls.size(), 3U);
  for (std::size_t call = 0; call < 3; ++call) {
    EXPECT_EQ(engine.calls[call].conversations, call < 2 ? 3U : 2U);
    EXPECT_EQ(engine.calls[call].emitted_before, 3 * call);
  }
  ASSERT_EQ(engine.emitted.size(), 8U);
  for (std::size_t i = 0; i < 8; ++i)
    EXPECT_EQ(engine.emitted[i], (Json{{"n", i}, {"reward", static_cast<double>(i + 1)}}));
}

TEST(ScoringJob, BoundsWhatIsScoredAtOnceOfPairsToo) {
  for (const std::size_t batch : {1U, 3U, 4U, 100U}) {
    MemoryFilesystem memory;
    LengthEngine engine;
    ScoringJob job;
    job.batch_size = batch;
    const ScoringReport report = run(memory, engine, pairs(7), job);
    std::size_t before = 0;  // conversations that were scored before the call
    for (const LengthEngine::Call& call : engine.calls) {
      EXPECT_LE(call.conversations, batch);
      EXPECT_EQ(call.emitted_before, before / 2) << batch;
      before += call.conversations;
    }
    EXPECT_EQ(before, 14U);
    ASSERT_EQ(engine.emitted.size(), 7U);
    for (std::size_t i = 0; i < 7; ++i) {
      EXPECT_EQ(engine.emitted[i].at("reward_chosen"), static_cast<double>(i + 1));
      EXPECT_EQ(engine.emitted[i].at("reward_rejected"), 5.0);
    }
    EXPECT_EQ(report.pairs->wins, 2U);  // of 6 and 7 characters
    EXPECT_EQ(report.pairs->ties, 1U);
  }
}

TEST(ScoringJob, KeepsEveryBatchForAResumption) {
  MemoryFilesystem memory;
  LengthEngine first;
  first.budget = 2;
  ScoringJob job;
  job.output.file = "/out.jsonl";
  job.batch_size = 3;
  EXPECT_THROW(run(memory, first, singles(8), job), Error);
  EXPECT_FALSE(memory.exists("/out.jsonl"));
  LengthEngine second;
  job.output.resume = true;
  job.batch_size = 2;
  const ScoringReport report = run(memory, second, singles(8), job);
  EXPECT_EQ(report.resumed, 6U);
  ASSERT_EQ(second.calls.size(), 1U);
  EXPECT_EQ(second.calls[0].conversations, 2U);
  EXPECT_EQ(report.labels.at(0).mean, 4.5);
}

TEST(ScoringJob, TellsWhatTheEngineWarnsOfOnceItRuns) {
  MemoryFilesystem memory;
  LengthEngine engine;
  EXPECT_EQ(run(memory, engine, singles(2), {}).warnings,
            std::vector<std::string>{"rounding lost a part"});
}

TEST(ScoringJob, RefusesSettingsThatContradictEachOther) {
  ScoringJob job;
  job.log_probs = true;
  job.column = "answer_tokens";
  EXPECT_THROW(check(job), Error);
  job.column = "log_prob";
  EXPECT_NO_THROW(check(job));
  job.batch_size = 0;
  EXPECT_THROW(check(job), Error);
}

}  // namespace
}  // namespace expo
