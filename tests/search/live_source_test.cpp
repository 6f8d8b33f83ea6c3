#include "expo/search/live/live_source.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "expo/search/score_table.h"
#include "search/live_source_fixture.h"

namespace expo {
namespace {

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

TEST_F(LiveSourceTest, MakesNoCandidateThatIsNotAllowed) {
  AnswerCache cache(disk_, kFile);
  LiveScoreSource source = make(cache);
  source.make_only([](double alpha, std::size_t) { return alpha > 1; });
  EXPECT_FALSE(source.candidate_at(0.5, 0));
  EXPECT_EQ(source.candidate_at(-1, 0), 1U);  // is there already
  EXPECT_EQ(source.candidate_at(2, 0), 3U);
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

}  // namespace
}  // namespace expo
