#include "expo/search/source/simulator.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "expo/core/error.h"
#include "expo/search/source/alpha_place.h"

namespace expo {
namespace {

std::vector<double> scores_of(Simulator& source, std::size_t candidate, std::uint32_t sample = 0) {
  std::vector<ScoreRequest> requests;
  for (std::size_t p = 0; p < source.prompts(); ++p) requests.push_back({candidate, p, sample});
  std::vector<double> values;
  for (const Score& score : source.scores(requests)) values.push_back(score.score);
  return values;
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double correlation(const std::vector<double>& a, const std::vector<double>& b) {
  const double ma = mean(a);
  const double mb = mean(b);
  double ab = 0;
  double aa = 0;
  double bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - ma) * (b[i] - mb);
    aa += (a[i] - ma) * (a[i] - ma);
    bb += (b[i] - mb) * (b[i] - mb);
  }
  return ab / std::sqrt(aa * bb);
}

Simulation settings(ScoreKind kind) {
  Simulation simulation;
  simulation.truth = &truth_named("one-peak");
  simulation.kind = kind;
  simulation.prompts = 20000;
  return simulation;
}

TEST(Simulator, HasItsTruthAsMean) {
  for (const ScoreKind kind : {ScoreKind::binary, ScoreKind::normal, ScoreKind::heavy_tails}) {
    Simulator source(settings(kind), {-1, 0, 2, 25}, 1);
    for (std::size_t candidate = 0; candidate < 4; ++candidate) {
      const double truth = truth_named("one-peak").mean(source.candidates()[candidate].alpha);
      EXPECT_NEAR(mean(scores_of(source, candidate)), truth, 4 * 0.5 / std::sqrt(20000.0));
    }
  }
}

TEST(Simulator, CouplesNeighboursMoreThanDistantCandidates) {
  Simulation simulation = settings(ScoreKind::normal);
  simulation.prompt_share = 0.2;
  simulation.coupled_share = 0.15;
  simulation.reach = 1.5;
  Simulator source(simulation, {0, 2, 2.2, 16}, 1);
  const auto two = scores_of(source, 1);
  const auto expected = [](double alpha) {
    return 0.2 + 0.15 * std::exp(-std::abs(log_place(alpha) - log_place(2)) / 1.5);
  };
  EXPECT_NEAR(correlation(two, scores_of(source, 2)), expected(2.2), 0.03);
  EXPECT_NEAR(correlation(two, scores_of(source, 3)), expected(16), 0.03);
  EXPECT_NEAR(correlation(two, scores_of(source, 0)), expected(0), 0.03);
  EXPECT_NEAR(correlation(two, scores_of(source, 1, 1)), 0.35, 0.03);
}

TEST(Simulator, ScoresDependOnSeedAndRequestOnly) {
  Simulation simulation = settings(ScoreKind::binary);
  simulation.prompts = 200;
  Simulator one(simulation, {0, 1}, 5);
  Simulator other(simulation, {0, 1}, 5);
  const auto later = scores_of(other, 1);
  scores_of(one, 0);
  EXPECT_EQ(scores_of(one, 1), later);
  Simulator third(simulation, {0, 1}, 6);
  EXPECT_NE(scores_of(third, 1), later);
}

TEST(Simulator, MakesFurtherCandidatesAndLongerAnswers) {
  Simulation simulation = settings(ScoreKind::binary);
  simulation.growth = 0.3;
  simulation.prompts = 2000;
  Simulator source(simulation, {0}, 5);
  EXPECT_EQ(source.candidate_at(0, 0), 0U);
  EXPECT_EQ(source.candidate_at(8, 0), 1U);
  EXPECT_EQ(source.candidates()[1].label, "α = 8");
  double lengths[2] = {0, 0};
  std::size_t truncated = 0;
  for (std::size_t p = 0; p < 2000; ++p) {
    const std::vector<ScoreRequest> requests{{0, p, 0}, {1, p, 0}};
    const auto scores = source.scores(requests);
    for (std::size_t c = 0; c < 2; ++c) {
      lengths[c] += scores[c].length;
      EXPECT_LE(scores[c].tokens, 512U);
      truncated += scores[c].ending == Ending::length ? 1 : 0;
    }
  }
  EXPECT_GT(lengths[1], 2 * lengths[0]);
  EXPECT_GT(truncated, 100U);
}

TEST(Truth, HasItsPeaksWhereItsNameSays) {
  const auto best = [](const char* name) {
    double at = 0;
    for (double alpha = 0; alpha <= 25; alpha += 0.05) {
      if (truth_named(name).mean(alpha) > truth_named(name).mean(at) + 1e-12) at = alpha;
    }
    return at;
  };
  EXPECT_NEAR(best("one-peak"), 2, 0.1);
  EXPECT_NEAR(best("two-peaks"), 8, 0.3);
  EXPECT_NEAR(best("peak-at-0.1"), 0.1, 0.051);
  EXPECT_NEAR(best("peak-at-25"), 25, 0.1);
  EXPECT_NEAR(best("cliff"), 4, 0.051);
  EXPECT_NEAR(best("between"), 2.8, 0.1);
  EXPECT_EQ(best("falling"), 0);
  EXPECT_EQ(best("flat"), 0);
  for (const std::string_view name : truth_names()) {
    EXPECT_NEAR(truth_named(name).mean(0), 0.48, 1e-12) << name;
    EXPECT_NEAR(truth_named(name).mean(-1), 0.32, 1e-12) << name;
  }
  EXPECT_THROW(truth_named("round"), Error);
}

TEST(AlphaPlace, IsInvertedByAlphaAt) {
  for (const double alpha : {-1.0, -0.01, 0.0, 0.1, 3.0, 25.0}) {
    EXPECT_NEAR(alpha_at(log_place(alpha)), alpha, 1e-12);
  }
}

}  // namespace
}  // namespace expo
