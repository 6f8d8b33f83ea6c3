#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "expo/core/disk/fault_injecting_filesystem.h"
#include "search/live_source_fixture.h"
#include "support/contains.h"

namespace expo {
namespace {

TEST_F(LiveSourceTest, TakesFromTheFileWhatAnEarlierRunHasMade) {
  const auto requests = everything();
  run(requests);
  const std::uint64_t paid = work_.tokens;
  std::uint64_t told = 0;
  for (const Score& score : run(requests)) told += score.tokens;
  EXPECT_EQ(told, paid);
  EXPECT_EQ(work_.tokens, 0U);
  EXPECT_EQ(engine_.answered.size(), 24U);
  EXPECT_EQ(engine_.moves.size(), 3U);
  EXPECT_EQ(scorer_.judged.size(), 24U);
}

TEST_F(LiveSourceTest, KeepsNoScoreOfAScorerThatTurnsOutToBeDoubtful) {
  const auto requests = everything();
  run(requests);
  prompts_ = fake_prompts(5);
  std::vector<ScoreRequest> more = requests;
  for (std::uint32_t sample = 0; sample < 2; ++sample) {
    for (std::size_t candidate = 0; candidate < kAlphas.size(); ++candidate)
      more.push_back({candidate, 4, sample});
  }
  scorer_.fails_after = 27;  // the earlier run's 24 and 3 of this one
  scorer_.doubtful = true;
  EXPECT_THROW(run(more), Error);
  scorer_ = FakeScorer();
  engine_.answered.clear();
  expect_truth(more, run(more));
  EXPECT_TRUE(engine_.answered.empty());  // what was paid for stays,
  EXPECT_EQ(scorer_.judged.size(), 30U);  // and all scores are made again.
  EXPECT_TRUE(run(more).size() == 30 && scorer_.judged.size() == 30);
}

TEST_F(LiveSourceTest, TakesScoresBackThatTheEndOfTheScorerShowsToBeWrong) {
  const auto requests = everything();
  {
    AnswerCache cache(disk_, kFile);
    LiveScoreSource source = make(cache);
    source.scores(requests);
    scorer_.fails_at_end = true;
    EXPECT_THROW(source.finish(), Error);
    EXPECT_EQ(source.scores_of(requests[0]), std::vector<std::optional<double>>(1));
  }
  scorer_ = FakeScorer();
  expect_truth(requests, run(requests));
  EXPECT_EQ(scorer_.judged.size(), requests.size());
}

TEST_F(LiveSourceTest, ContinuesAfterAnEndAtAnyByteOfTheFile) {
  auto requests = everything();
  std::erase_if(requests, [](const ScoreRequest& request) { return request.prompt > 1; });
  options_.answer.stop.max_tokens = 3;
  run(requests);
  const std::string whole = disk_.read_text(kFile);
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    const std::string left = whole.substr(0, size);
    disk_.write_text(kFile, left);
    // Lines with a text are answers; a torn one counts for nothing.
    std::size_t answers = 0, scores = 0;
    for (std::size_t begin = 0, end = 0; (end = left.find('\n', begin)) != std::string::npos;
         begin = end + 1) {
      answers += contains(left.substr(begin, end - begin), "\"text\"") ? 1 : 0;
      scores += contains(left.substr(begin, end - begin), "\"scorer\"") ? 1 : 0;
    }
    engine_.answered.clear();
    scorer_.judged.clear();
    expect_truth(requests, run(requests));
    ASSERT_EQ(engine_.answered.size(), 12 - answers) << size;
    ASSERT_EQ(scorer_.judged.size(), 12 - scores) << size;
  }
}

TEST_F(LiveSourceTest, ContinuesAfterADeathInTheMiddleOfAnyWrite) {
  const auto requests = everything();
  for (std::size_t write = 1; write < 60; ++write) {
    MemoryFilesystem memory;
    FaultInjectingFilesystem disk(memory);
    engine_.answered.clear();
    disk.inject({.call = FileCall::write, .occurrence = write, .halfway = true, .death = true});
    bool died = false;
    try {
      AnswerCache cache(disk, kFile);
      make(cache).scores(requests);
    } catch (const ProcessDied&) {
      died = true;
    }
    EXPECT_EQ(died, write <= 1 + 24 + 24);
    disk.clear();
    AnswerCache cache(disk, kFile);
    const std::size_t kept = cache.answers();
    engine_.answered.clear();
    expect_truth(requests, make(cache).scores(requests));
    EXPECT_EQ(engine_.answered.size(), 24 - kept);
    EXPECT_EQ(kept, died ? std::clamp<std::size_t>(write, 2, 26) - 2 : 24);
  }
}

TEST_F(LiveSourceTest, KeepsWhatIsFinishedWhenTheEngineFails) {
  engine_.fails_after = 11;
  EXPECT_THROW(run(everything()), Error);
  EXPECT_TRUE(scorer_.judged.empty());
  engine_.fails_after = SIZE_MAX;
  expect_truth(everything(), run(everything()));
  auto all = engine_.answered;
  std::ranges::sort(all);
  EXPECT_EQ(all.size(), 24U);
  EXPECT_TRUE(std::ranges::adjacent_find(all) == all.end());
}

TEST_F(LiveSourceTest, KeepsAnswersAndScoresWhenTheScorerFails) {
  scorer_.fails_after = 5;
  EXPECT_THROW(run(everything()), Error);
  EXPECT_EQ(engine_.answered.size(), 24U);
  scorer_.fails_after = SIZE_MAX;
  expect_truth(everything(), run(everything()));
  EXPECT_EQ(engine_.answered.size(), 24U);
  EXPECT_EQ(scorer_.judged.size(), 24U);
}

TEST_F(LiveSourceTest, RefusesAScoreThatIsNoNumber) {
  scorer_.offset = std::numeric_limits<double>::quiet_NaN();
  try {
    run({{1, 2, 1}});
    ADD_FAILURE() << "nothing was refused";
  } catch (const Error& error) {
    EXPECT_TRUE(contains(error.what(), "dev.jsonl:3, sample 1")) << error.what();
    EXPECT_TRUE(contains(error.what(), "fake scorer")) << error.what();
  }
  scorer_.offset = 0;
  expect_truth({{1, 2, 1}}, run({{1, 2, 1}}));
  EXPECT_EQ(engine_.answered.size(), 1U);
}

TEST_F(LiveSourceTest, AnswersAnewWhateverDependsOnWhatHasChanged) {
  const std::vector<ScoreRequest> one{{0, 0, 0}};
  const auto answers_now = [&] {
    engine_.answered.clear();
    run(one);
    return engine_.answered.size();
  };
  EXPECT_EQ(answers_now(), 1U);
  EXPECT_EQ(answers_now(), 0U);
  engine_.digest = "d2";
  EXPECT_EQ(answers_now(), 1U);
  engine_.version = 2;
  EXPECT_EQ(answers_now(), 1U);
  options_.answer.sampling.seed = 3;
  EXPECT_EQ(answers_now(), 1U);
  options_.answer.stop.strings = {"\n"};
  EXPECT_EQ(answers_now(), 1U);
  prompts_[0].chat.variables["tools"] = Json::array();
  EXPECT_EQ(answers_now(), 1U);
  prompts_[0].chat.messages = Json::array({{{"role", "user"}, {"content", "other"}}});
  EXPECT_EQ(answers_now(), 1U);
  prompts_[0].place = "elsewhere";
  prompts_[3].id = "q";
  EXPECT_EQ(answers_now(), 0U);
}

TEST_F(LiveSourceTest, AnotherScorerJudgesTheAnswersThatAreThere) {
  run({{0, 0, 0}});
  scorer_.offset = 5;
  const auto scores = run({{0, 0, 0}});
  EXPECT_EQ(scores[0].score, truth({0, 0, 0}).score + 5);
  EXPECT_EQ(engine_.answered.size(), 1U);
}

}  // namespace
}  // namespace expo
