#include "expo/search/live/live_source.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "expo/core/disk/fault_injecting_filesystem.h"
#include "expo/core/disk/memory_filesystem.h"
#include "expo/search/score_table.h"
#include "search/fake_engine.h"
#include "support/contains.h"

namespace expo {
namespace {

constexpr const char* kFile = "/run/answers.jsonl";

/// A search of three α on four prompts with two samples each, over fakes and one filesystem.
class LiveSourceTest : public testing::Test {
 protected:
  static std::vector<ScoreRequest> everything() {
    std::vector<ScoreRequest> result;
    for (std::size_t candidate = 0; candidate < kAlphas.size(); ++candidate) {
      for (std::size_t prompt = 0; prompt < 4; ++prompt) {
        for (std::uint32_t sample = 0; sample < 2; ++sample)
          result.push_back({candidate, prompt, sample});
      }
    }
    return result;
  }

  /// One process: it opens the cache and asks for the scores.
  std::vector<Score> run(const std::vector<ScoreRequest>& requests) {
    AnswerCache cache(disk_, kFile);
    LiveScoreSource source = make(cache);
    std::vector<Score> scores = source.scores(requests);
    work_ = source.work();
    return scores;
  }

  LiveScoreSource make(AnswerCache& cache) {
    std::vector<LiveCandidate> candidates;
    for (const double alpha : kAlphas) candidates.push_back(uniform_candidate(alpha));
    return {{{&engine_, ""}}, candidates, prompts_, {&scorer_}, cache, options_, nullptr, token_};
  }

  /// What the fakes must come to, by themselves.
  Score truth(const ScoreRequest& request) const {
    const double alpha = kAlphas[request.candidate];
    const std::string id = "p" + std::to_string(request.prompt);
    const std::size_t whole = FakePolicy::words(alpha, id, request.sample);
    const std::size_t count = std::min(whole, options_.answer.stop.max_tokens.value_or(whole));
    const std::string text = FakePolicy::text(alpha, id, request.sample, count);
    // Each word has an "é" and the "α" of a label, of two bytes each.
    return {.score = FakeScorer::value(text, request.sample),
            .length = static_cast<double>(text.size() - 2 * count),
            .tokens = count,
            .ending = count < whole ? Ending::length : Ending::stop};
  }

  void expect_truth(const std::vector<ScoreRequest>& requests, const std::vector<Score>& scores) {
    ASSERT_EQ(scores.size(), requests.size());
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const Score wanted = truth(requests[i]);
      EXPECT_EQ(scores[i].score, wanted.score);
      EXPECT_EQ(scores[i].length, wanted.length);
      EXPECT_EQ(scores[i].tokens, wanted.tokens);
      EXPECT_EQ(scores[i].ending, wanted.ending);
    }
  }

  static const std::vector<double> kAlphas;
  MemoryFilesystem disk_;
  FakePolicy engine_;
  FakeScorer scorer_;
  std::vector<Prompt> prompts_ = fake_prompts(4);
  LiveOptions options_{.answer = {}, .samples = 2};
  CancellationToken token_;
  LiveWork work_;
};

const std::vector<double> LiveSourceTest::kAlphas{0, -1, 2.5};

TEST_F(LiveSourceTest, GivesWhatEngineAndScorerGive) {
  options_.answer.stop.max_tokens = 7;
  const auto requests = everything();
  expect_truth(requests, run(requests));
  EXPECT_EQ(engine_.moves, (std::vector<std::string>{"0", "-1", "2.5"}));
  EXPECT_EQ(engine_.answered.size(), requests.size());
  EXPECT_EQ(work_.answers, requests.size());
}

TEST_F(LiveSourceTest, NeitherOrderNorRepetitionOfRequestsMatters) {
  auto requests = everything();
  std::ranges::reverse(requests);
  std::rotate(requests.begin(), requests.begin() + 5, requests.end());
  requests.insert(requests.end(), requests.begin(), requests.begin() + 3);
  expect_truth(requests, run(requests));
  EXPECT_EQ(engine_.moves.size(), 3U);
  EXPECT_EQ(engine_.answered.size(), 24U);
  EXPECT_EQ(scorer_.judged.size(), 24U);
}

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

TEST_F(LiveSourceTest, MakesNoCandidateThatIsNotAllowed) {
  AnswerCache cache(disk_, kFile);
  LiveScoreSource source = make(cache);
  source.make_only([](double alpha, std::size_t) { return alpha > 1; });
  EXPECT_FALSE(source.candidate_at(0.5, 0));
  EXPECT_EQ(source.candidate_at(-1, 0), 1U);  // is there already
  EXPECT_EQ(source.candidate_at(2, 0), 3U);
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

TEST_F(LiveSourceTest, AnAnswerThatEndedByItselfServesOtherLimits) {
  const auto requests = everything();
  std::size_t above = 0;
  for (const ScoreRequest& request : requests) above += truth(request).tokens > 5 ? 1 : 0;
  ASSERT_GT(above, 2U);
  ASSERT_LT(above, 22U);
  AnswerCache cache(disk_, kFile);
  LiveScoreSource source = make(cache);
  source.cap_answers(5);
  for (const Score& score : source.scores(requests)) EXPECT_LE(score.tokens, 5U);
  EXPECT_EQ(engine_.answered.size(), 24U);
  source.cap_answers(std::nullopt);
  expect_truth(requests, source.scores(requests));
  EXPECT_EQ(engine_.answered.size(), 24U + above);
  // Under a smaller cap, the answers that fit are those that are there.
  std::size_t over_eight = 0;
  for (const ScoreRequest& request : requests) over_eight += truth(request).tokens > 8 ? 1 : 0;
  source.cap_answers(8);
  options_.answer.stop.max_tokens = 8;
  expect_truth(requests, source.scores(requests));
  EXPECT_EQ(engine_.answered.size(), 24U + above + over_eight);
}

TEST_F(LiveSourceTest, GlancesWithoutScoringAndAnswersAgainOnlyWhatWasCut) {
  const auto requests = everything();
  AnswerCache cache(disk_, kFile);
  LiveScoreSource source = make(cache);
  std::size_t cut = 0;
  const auto glances = source.glance(requests, 5);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const bool is_cut = truth(requests[i]).tokens > 5;
    cut += is_cut ? 1 : 0;
    EXPECT_EQ(glances[i].tokens, std::min<std::uint64_t>(truth(requests[i]).tokens, 5));
    EXPECT_EQ(glances[i].is_cut, is_cut);
    EXPECT_EQ(glances[i].collapse, is_cut ? Collapse::endless : Collapse::none);
  }
  ASSERT_GT(cut, 2U);
  EXPECT_TRUE(scorer_.judged.empty());
  EXPECT_EQ(engine_.answered.size(), 24U);
  expect_truth(requests, source.scores(requests));
  EXPECT_EQ(engine_.answered.size(), 24U + cut);
  EXPECT_EQ(scorer_.judged.size(), 24U);
  source.glance(requests, 5);
  EXPECT_EQ(engine_.answered.size(), 24U + cut);
}

TEST_F(LiveSourceTest, GoesOnFromWhatWasCutAndPaysForItOnce) {
  engine_.goes_on = true;
  const auto requests = everything();
  std::uint64_t paid = 0;
  std::size_t cut = 0;
  {
    AnswerCache cache(disk_, kFile);
    LiveScoreSource source = make(cache);
    for (const Glance& each : source.glance(requests, 5)) {
      EXPECT_EQ(each.goes_on, each.is_cut);
      cut += each.is_cut ? 1 : 0;
    }
    paid = source.work().tokens;
  }
  ASSERT_GT(cut, 2U);
  // Another process goes on from what the file holds.
  const std::vector<Score> scores = run(requests);
  expect_truth(requests, scores);
  EXPECT_EQ(work_.answers, cut);
  std::uint64_t told = 0;
  for (const Score& score : scores) told += score.tokens;
  EXPECT_EQ(paid + work_.tokens, told);
  EXPECT_FALSE(contains(disk_.read_text(kFile), "\"ids\":[]"));
}

TEST_F(LiveSourceTest, NothingIsCutWhereTheUsersLimitIsLower) {
  options_.answer.stop.max_tokens = 5;
  AnswerCache cache(disk_, kFile);
  LiveScoreSource source = make(cache);
  for (const Glance& each : source.glance(everything(), 5)) {
    EXPECT_FALSE(each.is_cut);
    EXPECT_EQ(each.collapse, Collapse::none);
  }
  source.scores(everything());
  EXPECT_EQ(engine_.answered.size(), 24U);
}

TEST_F(LiveSourceTest, ACapIsGoneWhenTheEngineFails) {
  engine_.fails_after = 3;
  AnswerCache cache(disk_, kFile);
  LiveScoreSource source = make(cache);
  EXPECT_THROW(source.glance(everything(), 5), Error);
  engine_.fails_after = SIZE_MAX;
  expect_truth(everything(), source.scores(everything()));
}

TEST_F(LiveSourceTest, ShowsAnswersAndTheScoresOfAllScorers) {
  FakeScorer other;
  other.offset = 100;
  AnswerCache cache(disk_, kFile);
  options_.further = {"other"};
  LiveScoreSource source({{&engine_, ""}}, {uniform_candidate(1)}, prompts_, {&scorer_, &other},
                         cache, options_, nullptr, token_);
  const ScoreRequest request{0, 1, 1};
  EXPECT_EQ(source.answer_of(request), nullptr);
  EXPECT_FALSE(source.scores_of(request)[1]);
  const Score score = source.scores(std::vector{request})[0];
  EXPECT_EQ(source.answer_of(request)->text,
            FakePolicy::text(1, "p1", 1, FakePolicy::words(1, "p1", 1)));
  EXPECT_EQ(source.scores_of(request),
            (std::vector<std::optional<double>>{score.score, score.score + 100}));
  ASSERT_EQ(source.measures().size(), 3U);
  EXPECT_EQ(source.measures()[0].name, "other");
  EXPECT_TRUE(source.measures()[0].is_objective);
  EXPECT_EQ(source.measures()[1].name, "repetition");
  EXPECT_EQ(source.measures()[2].name, "distinct_2");
  const std::string text = source.answer_of(request)->text;
  EXPECT_EQ(score.measures, (std::vector<double>{score.score + 100, 1 - distinct_share(text, 4),
                                                 distinct_share(text, 2)}));
}

TEST_F(LiveSourceTest, MakesCandidatesWithinAFamily) {
  FakePolicy second;
  second.digest = "other";
  FakePolicy third;
  third.digest = "third";
  AnswerCache cache(disk_, kFile);
  LiveScoreSource source({{&engine_, "all"}, {&second, "fifth"}, {&third, "other"}},
                         {uniform_candidate(0, 0, "all"), uniform_candidate(0, 1, "fifth")},
                         prompts_, {&scorer_}, cache, options_, nullptr, token_);
  EXPECT_EQ(source.candidate_at(0, 1), 1U);
  EXPECT_EQ(source.candidate_at(4, 1), 2U);
  EXPECT_EQ(source.candidate_at(4, 1), 2U);
  EXPECT_EQ(source.candidate_at(4, 0), 3U);
  EXPECT_EQ(source.candidates()[2].label, "fifth α = 4");
  EXPECT_EQ(source.candidates()[2].family, 1U);
  source.make_only([](double, std::size_t policy) { return policy != 1; });
  EXPECT_FALSE(source.candidate_at(9, 1));
  EXPECT_TRUE(source.candidate_at(4, 1));
  source.make_only({});
  AlphaSchedule modules(4);
  modules.add_rule("mlp", 2);
  LiveCandidate by_module = uniform_candidate(4);
  by_module.candidate.family = 3;
  by_module.schedule = modules;
  const std::size_t shaped = source.add(by_module);
  EXPECT_FALSE(source.candidate_at(2, shaped));
  LiveCandidate unmoved = uniform_candidate(0, 2);
  unmoved.schedule.reset();
  const std::size_t alone = source.add(unmoved);
  EXPECT_FALSE(source.candidate_at(1, alone));
  source.scores(std::vector<ScoreRequest>{{2, 0, 0}, {3, 0, 0}, {shaped, 0, 0}, {alone, 0, 0}});
  EXPECT_EQ(engine_.moves, (std::vector<std::string>{"4", modules.description()}));
  EXPECT_EQ(engine_.answered.size(), 2U);
  EXPECT_EQ(second.moves, std::vector<std::string>{"4"});
  EXPECT_TRUE(third.moves.empty());
  EXPECT_EQ(third.answered.size(), 1U);
}

TEST_F(LiveSourceTest, StopsBeforeTheNextCandidateOnceCancelled) {
  token_.cancel();
  EXPECT_THROW(run(everything()), Error);
  EXPECT_TRUE(engine_.answered.empty());
}

TEST_F(LiveSourceTest, ServesATableOfScores) {
  AnswerCache cache(disk_, kFile);
  LiveScoreSource source = make(cache);
  ScoreTable table(source, {3, 0, 2, 1});
  table.ask(std::vector<std::size_t>{0, 2}, 4);
  EXPECT_EQ(table.of(2)[0].score, (truth({2, 3, 0}).score + truth({2, 3, 1}).score) / 2);
  EXPECT_EQ(table.tokens(), source.work().tokens);
}

std::string refusal(MemoryFilesystem& disk, const std::string& text) {
  disk.create_directory("/run");
  disk.write_text(kFile, text);
  try {
    AnswerCache cache(disk, kFile);
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::input);
    EXPECT_EQ(disk.read_text(kFile), text);
    return error.what();
  }
  return "nothing was refused";
}

TEST(AnswerCache, RefusesWhatNoSearchHasLeft) {
  MemoryFilesystem disk;
  const std::string head = "{\"format\":\"expo-answers-1\"}\n";
  EXPECT_TRUE(contains(refusal(disk, "{\"format\":\"other\"}\n"), "expo-answers-1"));
  EXPECT_TRUE(contains(refusal(disk, head + "nonsense\n"), "answers.jsonl:2"));
  EXPECT_TRUE(contains(refusal(disk, head + "{\"key\":\"a\",\"limit\":1}\n"), "answers.jsonl:2"));
  EXPECT_TRUE(contains(refusal(disk, head + "\n{}\n"), "answers.jsonl:2"));
}

Answer cut(const std::string& text, std::uint64_t tokens) {
  return {.task = {}, .text = text, .finish = FinishReason::length, .tokens = tokens};
}

TEST(AnswerCache, KeepsTheFirstOfTwoAnswersUnderOneKey) {
  MemoryFilesystem disk;
  AnswerCache cache(disk, kFile);
  cache.add({"k", 5}, cut("first", 5), Json::object());
  EXPECT_EQ(cache.add({"k", 5}, cut("second", 5), Json::object()).text, "first");
  EXPECT_EQ(AnswerCache(disk, kFile).find({"k", 5})->text, "first");
  EXPECT_EQ(cache.find({"k", 6}), nullptr);
}

TEST(AnswerCache, AnAnswerThatTheContextEndedServesLargerLimits) {
  MemoryFilesystem disk;
  AnswerCache cache(disk, kFile);
  cache.add({"k", 9}, cut("cut", 7), Json::object());
  EXPECT_NE(cache.find({"k", 7}), nullptr);
  EXPECT_NE(cache.find({"k", std::nullopt}), nullptr);
  EXPECT_EQ(cache.find({"k", 6}), nullptr);
}

}  // namespace
}  // namespace expo
