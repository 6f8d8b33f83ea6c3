#include <gtest/gtest.h>

#include <algorithm>

#include "search/live_source_fixture.h"
#include "support/contains.h"

namespace expo {
namespace {

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

}  // namespace
}  // namespace expo
