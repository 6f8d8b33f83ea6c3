#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "expo/core/disk/memory_filesystem.h"
#include "expo/search/live/live_source.h"
#include "expo/search/run/search_run.h"
#include "search/fake_engine.h"

namespace expo {
namespace {

constexpr std::size_t kLimit = 300;  // the user's own
constexpr std::size_t kCap = 64;     // α = 0 has fewer than 32 tokens

/// Answers of 5 to 25 words; of α above 4, most have no end.
class EndlessPolicy final : public Engine {
 public:
  static std::size_t words(double alpha, const std::string& id, std::uint32_t sample) {
    const double chance = jitter(std::hash<std::string>()(id), 3, sample);
    if (alpha > 4 && chance > -0.5) return 100'000;
    return static_cast<std::size_t>(15 + 10 * jitter(std::hash<double>()(alpha), 7, sample));
  }

  EngineDescription describe() const override {
    EngineDescription result{.name = "endless", .kind = "test"};
    result.identity = {{"alpha", alpha_}};
    return result;
  }
  Json digests(const CancellationToken&) const override { return {{"model", "m"}}; }
  void move_to(const AlphaSchedule& alpha, const CancellationToken&) override {
    alpha_ = alpha.uniform().value_or(0);
  }
  AnswerStatistics answer(std::span<const Conversation> prompts, std::span<const AnswerTask> tasks,
                          const AnswerOptions& options, const AnswerSink& sink,
                          const TokenSink& advance, const CancellationToken&) override {
    const std::size_t limit = options.stop.max_tokens.value_or(SIZE_MAX);
    for (const AnswerTask& task : tasks) {
      if (tokens.size() >= fails_after) throw environment_error("the engine died");
      const std::string& id = prompts[task.prompt].id;
      const std::size_t whole = words(alpha_, id, task.sample);
      const std::size_t count = std::min(whole, limit);
      tokens.push_back(count);
      const bool is_new = made.emplace(id, task.sample, alpha_, limit).second;
      EXPECT_TRUE(is_new) << id << " at " << alpha_ << " under " << limit;
      advance(count);
      std::string text;
      for (std::size_t i = 0; i < count; ++i) text += "w" + std::to_string(i) + " ";
      sink({task, text, count < whole ? FinishReason::length : FinishReason::stop, count});
    }
    return {.tokens = 0, .seconds = 1, .peak_batch = 1};
  }

  std::vector<std::size_t> tokens;  ///< of each answer that was made
  std::set<std::tuple<std::string, std::uint32_t, double, std::size_t>> made;
  std::size_t fails_after = SIZE_MAX;

 private:
  double alpha_ = 0;
};

/// One process that searches in a folder.
SearchResult search(Filesystem& disk, EndlessPolicy& engine) {
  const std::vector<Prompt> prompts = fake_prompts(160);
  std::vector<LiveCandidate> candidates;
  for (const double alpha : {-1.0, 0.0, 1.0, 2.0, 4.0, 8.0, 16.0})
    candidates.push_back(uniform_candidate(alpha));
  FakeScorer scorer;
  AnswerCache cache(disk, "/run/answers.jsonl");
  LiveOptions options{.answer = {}, .samples = 1};
  options.answer.stop.max_tokens = kLimit;
  const CancellationToken token;
  LiveScoreSource source({{&engine, ""}}, candidates, prompts, {&scorer}, cache, options, nullptr,
                         token);
  PromptSplit split;
  for (std::size_t i = 0; i < prompts.size(); ++i)
    (i % 2 == 0 ? split.choosing : split.confirming).push_back(i);
  SearchRunOptions run;
  run.tokens = 20'000;
  return run_search(source, split, run);
}

TEST(ScreenedSearch, DropsEndlessAlphasAndCountsAllTokens) {
  MemoryFilesystem disk;
  EndlessPolicy engine;
  const SearchResult result = search(disk, engine);
  std::vector<double> dropped;
  for (const SearchedCandidate& each : result.candidates) {
    if (each.collapsed) dropped.push_back(each.candidate.alpha);
  }
  EXPECT_EQ(dropped, (std::vector<double>{8, 16}));
  std::uint64_t paid = 0;
  for (const std::size_t each : engine.tokens) paid += each;
  EXPECT_EQ(result.tokens, paid);
  // Of each that is dropped, two answers were let go on to the user's limit.
  EXPECT_EQ(std::ranges::count(engine.tokens, kLimit), 4);
  EXPECT_GT(std::ranges::count(engine.tokens, kCap), 10);
}

TEST(ScreenedSearch, EndsTheSameAfterAFailureAtAnyAnswerAndPaysNothingTwice) {
  MemoryFilesystem undisturbed;
  EndlessPolicy whole;
  const std::string expected = format_json(to_json(search(undisturbed, whole)));
  for (std::size_t end = 1; end < whole.tokens.size(); end += 7) {
    MemoryFilesystem disk;
    EndlessPolicy engine;
    engine.fails_after = end;
    EXPECT_THROW(search(disk, engine), Error);
    engine.fails_after = SIZE_MAX;
    EXPECT_EQ(format_json(to_json(search(disk, engine))), expected) << end;
    EXPECT_EQ(engine.made, whole.made);
  }
}

}  // namespace
}  // namespace expo
