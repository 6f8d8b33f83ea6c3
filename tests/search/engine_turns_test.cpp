#include "expo/search/live/engine_turns.h"

#include <gtest/gtest.h>

#include <utility>

#include "expo/core/disk/memory_filesystem.h"
#include "expo/core/error.h"
#include "expo/search/live/live_source.h"
#include "expo/search/live/model_scorers.h"
#include "search/fake_engine.h"

namespace expo {
namespace {

/// What happened to all engines of a test: "+policy" where one was opened, "-policy" where it was
/// closed, and "policy@α = 1" where one worked.
struct Diary {
  std::vector<std::string> lines;
  std::size_t open = 0;  ///< engines that hold weights
  std::size_t most = 0;
};

/// A policy and reward model whose weights are loaded by their first work.
class WatchedEngine final : public Engine {
 public:
  WatchedEngine(std::string name, Diary& diary) : name_(std::move(name)), diary_(diary) {
    diary_.lines.push_back("+" + name_);
  }
  ~WatchedEngine() override {
    diary_.lines.push_back("-" + name_);
    if (is_loaded_) --diary_.open;
  }
  EngineDescription describe() const override { return policy_.describe(); }
  Json digests(const CancellationToken& token) const override { return policy_.digests(token); }
  void move_to(const AlphaSchedule& alpha, const CancellationToken& token) override {
    policy_.move_to(alpha, token);
    alpha_ = alpha.uniform().value_or(0);
  }
  AnswerStatistics answer(std::span<const Conversation> prompts, std::span<const AnswerTask> tasks,
                          const AnswerOptions& options, const AnswerSink& sink,
                          const TokenSink& advance, const CancellationToken& token) override {
    load();
    return policy_.answer(prompts, tasks, options, sink, advance, token);
  }
  std::vector<std::vector<float>> rewards(std::span<const Conversation> answered, const TokenSink&,
                                          const CancellationToken&) override {
    load();
    std::vector<std::vector<float>> result;
    for (const Conversation& one : answered)
      result.push_back({static_cast<float>(content_text(one.chat.messages.back()).size())});
    return result;
  }

 private:
  void load() {
    if (!is_loaded_) diary_.most = std::max(diary_.most, ++diary_.open);
    is_loaded_ = true;
    diary_.lines.push_back(name_ + "@" + label_of(alpha_));
  }

  std::string name_;
  Diary& diary_;
  FakePolicy policy_;
  double alpha_ = 0;
  bool is_loaded_ = false;
};

EmbeddedSpec spec_of(const std::string& model) {
  EmbeddedSpec spec;
  spec.model = model;
  return spec;
}

class EngineTurnsTest : public testing::Test {
 protected:
  /// All scores of two looks at two α and another model.
  std::vector<double> scores(bool take_turns) {
    MemoryFilesystem disk;
    EngineTurns turns([&](const EmbeddedSpec& spec, bool is_again) {
      again_ += is_again ? 1 : 0;
      return std::make_unique<WatchedEngine>(spec.model, diary_);
    });
    if (take_turns) turns.begin();
    const auto policy = turns.open(spec_of("policy"));
    const auto rival = turns.open(spec_of("rival"));
    const auto judge = turns.open(spec_of("judge"));
    const auto scorer = reward_scorer(*judge, token_);
    AnswerCache cache(disk, "/answers.jsonl");
    const std::vector<Prompt> prompts = fake_prompts(4);
    LiveScoreSource source({{policy.get(), ""}, {rival.get(), "rival"}},
                           {uniform_candidate(0), uniform_candidate(2),
                            LiveCandidate{{0, "rival", 1}, 1, std::nullopt}},
                           prompts, {scorer.get()}, cache, {}, nullptr, token_);
    std::vector<double> result;
    for (const std::size_t prompt : {0, 2}) {
      std::vector<ScoreRequest> requests;
      for (std::size_t candidate = 0; candidate < 3; ++candidate) {
        requests.push_back({candidate, prompt, 0});
        requests.push_back({candidate, prompt + 1, 0});
      }
      for (const Score& score : source.scores(requests)) result.push_back(score.score);
    }
    return result;
  }

  Diary diary_;
  std::size_t again_ = 0;
  CancellationToken token_;
};

TEST_F(EngineTurnsTest, OnlyOneEngineHoldsItsWeightsAtATime) {
  scores(true);
  EXPECT_EQ(diary_.most, 1U);
  EXPECT_EQ(diary_.open, 0U);
  // Each works once at each look, and all were open at first; the judge has tried itself by then.
  EXPECT_EQ(again_, 4U);
}

TEST_F(EngineTurnsTest, TheScoresAreTheSame) {
  const std::vector<double> together = scores(false);
  EXPECT_EQ(diary_.most, 3U);
  EXPECT_EQ(again_, 0U);
  EXPECT_EQ(scores(true), together);
}

TEST_F(EngineTurnsTest, AnEngineThatIsOpenedAgainIsMovedToWhereItWas) {
  EngineTurns turns([&](const EmbeddedSpec& spec, bool) {
    return std::make_unique<WatchedEngine>(spec.model, diary_);
  });
  turns.begin();
  const auto policy = turns.open(spec_of("policy"));
  const auto judge = turns.open(spec_of("judge"));
  const std::vector<Conversation> conversations{{{user_turn("a")}, "p0", "dev.jsonl:1"}};
  const std::vector<AnswerTask> tasks{{0, 0}};
  std::vector<std::string> texts;
  const auto answer = [&] {
    policy->answer(
        conversations, tasks, {}, [&](const Answer& one) { texts.push_back(one.text); },
        [](std::uint64_t) {}, token_);
  };
  policy->move_to(AlphaSchedule(3), token_);
  answer();
  const Json identity = policy->describe().identity;
  judge->rewards(
      conversations, [](std::uint64_t) {}, token_);
  EXPECT_EQ(policy->describe().identity, identity);
  answer();
  EXPECT_EQ(texts.at(1), texts.at(0));
  EXPECT_EQ(diary_.lines.back(), "policy@α = 3");
  EXPECT_EQ(diary_.most, 1U);
}

/// A policy that notes when it takes the weights of a server, and when it lets them go.
class MovingEngine final : public Engine {
 public:
  MovingEngine(std::string name, std::vector<std::string>& diary)
      : name_(std::move(name)), diary_(diary) {
    diary_.push_back("+" + name_);
  }
  ~MovingEngine() override { diary_.push_back("-" + name_); }
  EngineDescription describe() const override {
    EngineDescription result;
    result.name = name_;
    return result;
  }
  std::vector<std::string> incidents() const override { return {name_ + ": restarted"}; }
  void move_to(const AlphaSchedule& alpha, const CancellationToken&) override {
    diary_.push_back(name_ + " to " + label_of(alpha.uniform().value_or(0)));
  }
  void let_go() override { diary_.push_back(name_ + " lets go"); }
  std::vector<std::vector<float>> log_probs(std::span<const Conversation>, const TokenSink&,
                                            const CancellationToken&) override {
    diary_.push_back(name_ + " works");
    return {};
  }

 private:
  std::string name_;
  std::vector<std::string>& diary_;
};

TEST(EngineTurns, AServerIsLetGoWhenAnotherTakesIt) {
  std::vector<std::string> diary;
  const EngineTurns turns([&](const EmbeddedSpec& spec,
                              bool) { return std::make_unique<MovingEngine>(spec.model, diary); },
                          Turns::of_server);
  const CancellationToken token;
  const auto work = [&](Engine& engine) {
    engine.log_probs(
        {}, [](std::uint64_t) {}, token);
  };
  {
    const auto one = turns.open(spec_of("one"));
    const auto two = turns.open(spec_of("two"), AlphaSchedule(-1));
    EXPECT_EQ(std::exchange(diary, {}), (std::vector<std::string>{"+one", "one lets go", "+two"}));
    one->move_to(AlphaSchedule(3), token);
    work(*one);
    one->move_to(AlphaSchedule(2), token);
    EXPECT_EQ(std::exchange(diary, {}), (std::vector<std::string>{"two lets go", "one to α = 3",
                                                                  "one works", "one to α = 2"}));
    work(*two);
    work(*two);
    EXPECT_EQ(std::exchange(diary, {}),
              (std::vector<std::string>{"one lets go", "two to α = -1", "two works", "two works"}));
    work(*one);
    EXPECT_EQ(std::exchange(diary, {}),
              (std::vector<std::string>{"two lets go", "one to α = 2", "one works"}));
    EXPECT_EQ(two->incidents(), std::vector<std::string>{"two: restarted"});
  }
  EXPECT_EQ(diary, (std::vector<std::string>{"-two", "-one"})) << "they stay open";
}

TEST(EngineTurns, AnEngineThatCannotBeOpenedTakesNothing) {
  std::vector<std::string> diary;
  const EngineTurns turns(
      [&](const EmbeddedSpec& spec, bool) -> std::unique_ptr<Engine> {
        if (spec.model == "two") throw input_error("two: is no model");
        return std::make_unique<MovingEngine>(spec.model, diary);
      },
      Turns::of_server);
  const auto one = turns.open(spec_of("one"));
  EXPECT_THROW(turns.open(spec_of("two")), Error);
  one->move_to(AlphaSchedule(1), CancellationToken());
  EXPECT_EQ(diary, (std::vector<std::string>{"+one", "one lets go", "one to α = 1"}));
}

}  // namespace
}  // namespace expo
