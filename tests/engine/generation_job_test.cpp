#include "expo/engine/generation_job.h"

#include <gtest/gtest.h>

#include <thread>

#include "expo/core/disk/fault_injecting_filesystem.h"
#include "expo/core/disk/memory_filesystem.h"
#include "expo/core/error.h"
#include "support/contains.h"

namespace expo {
namespace {

/// Answers from the last task to the first, with the prompt's id and the sample's number; stops
/// after `budget` answers.
class BackwardEngine final : public Engine {
 public:
  EngineDescription describe() const override {
    return {.name = "backward", .kind = "test", .alpha = {}, .context = 100};
  }
  std::optional<std::vector<std::size_t>> count_tokens(
      std::span<const Conversation> conversations) override {
    std::vector<std::size_t> counts;
    for (const Conversation& one : conversations)
      counts.push_back(one.chat.messages.back().at("content").get<std::string>().size());
    return counts;
  }
  AnswerStatistics answer(std::span<const Conversation> prompts, std::span<const AnswerTask> tasks,
                          const AnswerOptions&, const AnswerSink& sink, const TokenSink& advance,
                          const CancellationToken&) override {
    for (auto task = tasks.rbegin(); task != tasks.rend(); ++task) {
      if (budget-- == 0) throw interrupted_error("interrupted");
      advance(2);
      asked.push_back(*task);
      sink({*task, prompts[task->prompt].id + "/" + std::to_string(task->sample),
            task->sample == 1 ? FinishReason::length : FinishReason::stop, 2});
    }
    return {.tokens = 2 * tasks.size(), .seconds = 1, .peak_batch = 1};
  }

  std::size_t budget = 1000;
  std::vector<AnswerTask> asked;
};

std::vector<Prompt> some_prompts() {
  std::vector<Prompt> prompts;
  for (const char* id : {"a", "b", "c"}) {
    const Json messages = Json::array({{{"role", "user"}, {"content", "what?"}}});
    prompts.push_back(
        {id, {messages}, Json::object(), "p.jsonl:" + std::to_string(prompts.size() + 1)});
  }
  return prompts;
}

GenerationJob two_samples() {
  GenerationJob job;
  job.output.file = "/out.jsonl";
  job.samples = 2;
  job.answer.sampling.temperature = 1;
  return job;
}

GenerationReport run(Filesystem& filesystem, Engine& engine, const GenerationJob& job,
                     const std::vector<Prompt>& prompts = some_prompts(),
                     const std::function<void(const Json&)>& emit = {}) {
  return run_generation(filesystem, engine, prompts, job, emit, nullptr, CancellationToken());
}

std::vector<std::string> texts_in(const std::string& lines) {
  std::vector<std::string> texts;
  for (std::size_t begin = 0, end = 0; (end = lines.find('\n', begin)) != std::string::npos;
       begin = end + 1) {
    const Json row = parse_json(lines.substr(begin, end - begin), "row");
    texts.push_back(row.at("messages").back().at("content").get<std::string>());
  }
  return texts;
}

const std::vector<std::string> kInOrder{"a/0", "a/1", "b/0", "b/1", "c/0", "c/1"};

std::string refusal(Engine& engine, const GenerationJob& job,
                    const std::vector<Prompt>& prompts = some_prompts()) {
  MemoryFilesystem memory;
  try {
    run(memory, engine, job, prompts);
  } catch (const Error& error) {
    EXPECT_TRUE(memory.list("/").empty());
    return error.what();
  }
  return "nothing was refused";
}

TEST(GenerationJob, WritesRowsInThePromptsOrder) {
  MemoryFilesystem memory;
  BackwardEngine engine;
  const GenerationReport report = run(memory, engine, two_samples());
  EXPECT_EQ(texts_in(memory.read_text("/out.jsonl")), kInOrder);
  EXPECT_EQ(report.answers, 6U);
  EXPECT_EQ(report.truncated, 3U);
  EXPECT_EQ(report.tokens, 12U);
}

TEST(GenerationJob, GivesRowsOutInOrderAsSoonAsItCan) {
  MemoryFilesystem memory;
  BackwardEngine engine;
  GenerationJob job = two_samples();
  job.output.file.clear();
  std::vector<std::string> texts;
  run(memory, engine, job, some_prompts(), [&](const Json& row) {
    texts.push_back(row.at("messages").back().at("content").get<std::string>());
  });
  EXPECT_EQ(texts, kInOrder);
  EXPECT_TRUE(memory.list("/").empty());
}

TEST(GenerationJob, AsksOnlyForWhatIsMissingAfterAnInterruption) {
  MemoryFilesystem memory;
  BackwardEngine first;
  first.budget = 4;
  EXPECT_THROW(run(memory, first, two_samples()), Error);
  BackwardEngine second;
  GenerationJob job = two_samples();
  job.output.resume = true;
  const GenerationReport report = run(memory, second, job);
  EXPECT_EQ(second.asked.size(), 2U);
  EXPECT_EQ(report.resumed, 4U);
  EXPECT_EQ(report.truncated, 3U);
  EXPECT_EQ(texts_in(memory.read_text("/out.jsonl")), kInOrder);
}

TEST(GenerationJob, ResumingAFinishedFileDoesNothing) {
  MemoryFilesystem memory;
  BackwardEngine first;
  const GenerationReport before = run(memory, first, two_samples());
  const std::string text = memory.read_text("/out.jsonl");
  BackwardEngine second;
  GenerationJob job = two_samples();
  job.output.resume = true;
  const GenerationReport report = run(memory, second, job);
  EXPECT_TRUE(report.was_complete);
  EXPECT_TRUE(second.asked.empty());
  EXPECT_EQ(report.tokens, before.tokens);
  EXPECT_EQ(report.truncated, before.truncated);
  EXPECT_EQ(memory.read_text("/out.jsonl"), text);
  memory.write_text("/out.jsonl", "{}\n");
  EXPECT_THROW(run(memory, second, job), Error);
  memory.write_text("/out.jsonl", text);
  job.answer.sampling.seed += 1;
  try {
    run(memory, second, job);
    FAIL() << "another seed was taken for the same run";
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::usage);
    EXPECT_TRUE(contains(error.what(),
                         "it was finished with other settings: "
                         "answers.sampling.seed was "));
  }
}

TEST(GenerationJob, RefusesWhatDoesNotFitOrLeavesItOut) {
  BackwardEngine engine;
  auto prompts = some_prompts();
  prompts[1].chat.messages.back()["content"] = std::string(100, 'x');
  EXPECT_TRUE(contains(refusal(engine, two_samples(), prompts), "p.jsonl:2: the prompt has 100"));
  EXPECT_TRUE(engine.asked.empty());
  MemoryFilesystem memory;
  GenerationJob job = two_samples();
  job.skip_too_long = true;
  EXPECT_EQ(run(memory, engine, job, prompts).skipped, 1U);
  EXPECT_EQ(texts_in(memory.read_text("/out.jsonl")),
            (std::vector<std::string>{"a/0", "a/1", "c/0", "c/1"}));
}

TEST(GenerationJob, RefusesSamplesThatWouldBeTheSameOrWouldNotFitTheFormat) {
  BackwardEngine engine;
  GenerationJob job = two_samples();
  job.format = AnswerFormat::alpaca;
  EXPECT_TRUE(contains(refusal(engine, job), "AlpacaEval"));
  job.format = AnswerFormat::ultrafeedback;
  job.answer.sampling.temperature = 0;
  EXPECT_TRUE(contains(refusal(engine, job), "temperature 0"));
}

TEST(GenerationJob, RefusesAColumnThatIsInTheWay) {
  BackwardEngine engine;
  GenerationJob job = two_samples();
  job.format = AnswerFormat::plain;
  auto prompts = some_prompts();
  prompts[2].row["tokens"] = 5;
  EXPECT_TRUE(
      contains(refusal(engine, job, prompts), "p.jsonl:3: the row already has a column tokens"));
}

TEST(GenerationJob, RefusesFiltersOfDrawsWhereNothingIsDrawn) {
  BackwardEngine engine;
  for (const SamplingOptions& sampling :
       {SamplingOptions{.top_k = 5}, SamplingOptions{.top_p = 0.9},
        SamplingOptions{.min_p = 0.1}}) {
    GenerationJob job;
    job.output.file = "/out.jsonl";
    job.answer.sampling = sampling;
    EXPECT_TRUE(contains(refusal(engine, job), "no effect at temperature 0"));
  }
}

TEST(GenerationJob, AdvisesToResumeWhereTheEndFails) {
  MemoryFilesystem memory;
  FaultInjectingFilesystem faults(memory);
  // The first file to be put in place is the journal, the next is the record.
  faults.inject({.call = FileCall::rename_replace, .occurrence = 2, .error = ENOSPC});
  BackwardEngine engine;
  try {
    run(faults, engine, two_samples());
    ADD_FAILURE() << "the disk was full";
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::environment);
    EXPECT_TRUE(contains(error.what(), "what is finished, 6 rows, is kept: --resume"));
  }
}

/// Takes for ever to read through its files.
class SlowFilesEngine final : public Engine {
 public:
  explicit SlowFilesEngine(CancellationToken& interrupted) : interrupted_(interrupted) {}

  EngineDescription describe() const override { return {.name = "slow", .kind = "test"}; }
  Json digests(const CancellationToken& cancellation) const override {
    while (!cancellation.cancelled()) std::this_thread::yield();
    throw interrupted_error("interrupted");
  }
  AnswerStatistics answer(std::span<const Conversation>, std::span<const AnswerTask> tasks,
                          const AnswerOptions&, const AnswerSink& sink, const TokenSink&,
                          const CancellationToken&) override {
    for (const AnswerTask& task : tasks) sink({task, "x", FinishReason::stop, 1});
    interrupted_.cancel();
    return {};
  }

 private:
  CancellationToken& interrupted_;
};

TEST(GenerationJob, CanBeInterruptedWhileTheDigestsAreAwaited) {
  MemoryFilesystem memory;
  CancellationToken interrupted;
  SlowFilesEngine engine(interrupted);
  try {
    run_generation(memory, engine, some_prompts(), two_samples(), {}, nullptr, interrupted);
    ADD_FAILURE() << "it was interrupted";
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::interrupted);
    EXPECT_TRUE(contains(error.what(), "--resume"));
  }
  EXPECT_FALSE(memory.exists("/out.jsonl"));
}

class CountingProgress final : public RowProgress {
 public:
  void begin(std::string_view, std::uint64_t) override { ++begun; }
  void advance_tokens(std::uint64_t) override {}
  void advance_rows(std::uint64_t) override {}
  void end() override { ++ended; }

  int begun = 0;
  int ended = 0;
};

TEST(GenerationJob, EndsItsProgressWhereItFails) {
  MemoryFilesystem memory;
  BackwardEngine engine;
  engine.budget = 2;
  CountingProgress progress;
  EXPECT_THROW(run_generation(memory, engine, some_prompts(), two_samples(), {}, &progress,
                              CancellationToken()),
               Error);
  EXPECT_EQ(progress.begun, 1);
  EXPECT_EQ(progress.ended, 1);
}

class BareEngine final : public Engine {
 public:
  EngineDescription describe() const override { return {.name = "judge-1", .kind = "http"}; }
};

TEST(Engine, SaysItsNameWhereItCannot) {
  BareEngine engine;
  const auto message = [](auto&& work) -> std::string {
    try {
      work();
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::usage);
      return error.what();
    }
    return "nothing was refused";
  };
  const CancellationToken token;
  EXPECT_TRUE(contains(message([&] { engine.answer({}, {}, {}, {}, {}, token); }),
                       "judge-1 (http): this engine cannot answer prompts"));
  EXPECT_TRUE(contains(message([&] { engine.rewards({}, {}, token); }), "judge-1"));
  EXPECT_TRUE(contains(message([&] { engine.log_probs({}, {}, token); }), "judge-1"));
  EXPECT_TRUE(contains(message([&] { engine.move_to(AlphaSchedule(1), token); }), "judge-1"));
  EXPECT_FALSE(engine.count_tokens({}));
  EXPECT_FALSE(engine.count_log_prob_tokens({}));
  EXPECT_TRUE(engine.sources().empty());
}

}  // namespace
}  // namespace expo
