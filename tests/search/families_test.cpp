#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "expo/search/run/search_run.h"
#include "tests/search/fake_source.h"

namespace expo {
namespace {

constexpr std::size_t kPrompts = 400;
const std::vector<double> kAlphas{0, 0.5, 1, 2, 4, 8, 16, 25};

PromptSplit split(std::size_t prompts = kPrompts) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < prompts; ++i) texts.push_back("prompt " + std::to_string(i));
  return split_prompts(texts);
}

/// SFT, and two models with the same α: "all", and "fifth".
std::vector<Candidate> two_families() {
  std::vector<Candidate> candidates{{-1, "α = -1", 0}};
  for (const std::size_t family : {0, 1}) {
    for (const double alpha : kAlphas)
      candidates.push_back({alpha, (family == 0 ? "all " : "fifth ") + label_of(alpha), family});
  }
  return candidates;
}

/// One peak each: "all" at 0.5 with 0.55, "fifth" at `peak` with `height`.
double truth(double alpha, std::size_t family, double peak, double height) {
  const double place = std::log1p(std::max(alpha, 0.0));
  if (alpha < 0) return 0.2;
  return family == 0 ? 0.55 - 0.2 * std::abs(place - std::log1p(0.5))
                     : height - 0.2 * std::abs(place - std::log1p(peak));
}

FakeSource source(double peak, double height, std::size_t prompts = kPrompts) {
  const auto candidates = two_families();
  return {candidates, prompts, [=](double alpha, const ScoreRequest& request) {
            // Candidates that are made later are the second family's here.
            const std::size_t family =
                request.candidate < candidates.size() ? candidates[request.candidate].family : 1;
            return Score{truth(alpha, family, peak, height) +
                             0.3 * jitter(request.candidate, request.prompt),
                         10, 10};
          }};
}

SearchRunOptions options(Strategy strategy) {
  SearchRunOptions result;
  result.strategy = strategy;
  result.models = {"all", "fifth"};
  return result;
}

const Candidate& candidate(const SearchResult& result, std::size_t number) {
  return result.candidates.at(number).candidate;
}

class Families : public testing::TestWithParam<Strategy> {};
INSTANTIATE_TEST_SUITE_P(Strategies, Families,
                         testing::Values(Strategy::grid, Strategy::halving, Strategy::race));

TEST_P(Families, TheBestAlphaOfTheBestModelIsComparedWithTheFirstModelAtZero) {
  FakeSource scores = source(8, 0.8);
  const SearchResult result = run_search(scores, split(), options(GetParam()));
  EXPECT_EQ(candidate(result, result.chosen).family, 1U);
  EXPECT_EQ(candidate(result, result.chosen).alpha, 8);
  EXPECT_EQ(candidate(result, result.baseline).label, "all α = 0");
  ASSERT_TRUE(result.confirmation.gain);
  EXPECT_NEAR(result.confirmation.gain->difference.mean, 0.8 - truth(0, 0, 8, 0.8), 0.1);
  EXPECT_EQ(result.confirmation.verdict, Verdict::gain);
  const Json json = to_json(result);
  EXPECT_EQ(json["alpha"], 8);
  EXPECT_EQ(json["model"], "fifth");
  EXPECT_EQ(json["baseline"], "all α = 0");
}

TEST_P(Families, WhetherTrainingHelpedIsAskedOfTheModelThatWon) {
  FakeSource scores = source(8, 0.8);
  const SearchResult result = run_search(scores, split(), options(GetParam()));
  ASSERT_TRUE(result.trained && result.confirmation.training);
  EXPECT_EQ(candidate(result, *result.trained).label, "fifth α = 0");
  EXPECT_NEAR(result.confirmation.training->difference.mean, truth(0, 1, 8, 0.8) - 0.2, 0.1);
  EXPECT_EQ(to_json(result)["training"]["model"], "fifth");
}

TEST_P(Families, AnotherCompetitorAtZeroCanBeTheBaseline) {
  FakeSource scores = source(8, 0.8);
  SearchRunOptions with_baseline = options(GetParam());
  const std::size_t fifth_at_zero = 1 + kAlphas.size();
  with_baseline.add_rival = [=] { return fifth_at_zero; };
  const SearchResult result = run_search(scores, split(), with_baseline);
  EXPECT_EQ(result.rival, fifth_at_zero);
  EXPECT_EQ(result.candidates.size(), scores.candidates().size());
  EXPECT_NEAR(result.confirmation.gain->difference.mean, 0.2 * std::log(9.0), 0.1);
}

TEST_P(Families, WithoutAGainTheBaselineIsRecommended) {
  const PromptSplit parts = split();
  const auto candidates = two_families();
  const std::set<std::size_t> confirming(parts.confirming.begin(), parts.confirming.end());
  // What is best where prompts choose is worst where they confirm.
  FakeSource scores(candidates, kPrompts, [&](double alpha, const ScoreRequest& request) {
    const std::size_t family =
        request.candidate < candidates.size() ? candidates[request.candidate].family : 1;
    const double height = truth(alpha, family, 8, 0.8);
    return Score{(confirming.contains(request.prompt) ? -height : height) +
                     0.3 * jitter(request.candidate, request.prompt),
                 10, 10};
  });
  const SearchResult result = run_search(scores, parts, options(GetParam()));
  EXPECT_EQ(candidate(result, result.chosen).label, "fifth α = 8");
  EXPECT_EQ(result.confirmation.verdict, Verdict::no_worthwhile_gain);
  EXPECT_EQ(result.recommended, result.baseline);
  EXPECT_EQ(to_json(result)["model"], "all");
  EXPECT_EQ(to_json(result)["alpha"], 0);
}

TEST_P(Families, TheSmallestThatIsTakenIsOneOfTheBestModels) {
  // All α from 4 on are alike in the second family, and as good as 0.5 in the first.
  const auto candidates = two_families();
  FakeSource scores(candidates, kPrompts, [&](double alpha, const ScoreRequest& request) {
    const std::size_t family =
        request.candidate < candidates.size() ? candidates[request.candidate].family : 1;
    const bool good = family == 0 ? alpha == 0.5 : alpha >= 4;
    const double small = family == 1 ? 0.004 * alpha : 0;
    return Score{(good ? 0.5 + small : 0) + 0.3 * jitter(request.candidate, request.prompt), 10,
                 10};
  });
  SearchRunOptions smallest = options(GetParam());
  smallest.prefer = TiePreference::smallest;
  const SearchResult result = run_search(scores, split(), smallest);
  EXPECT_EQ(candidate(result, result.best).family, 1U);
  EXPECT_EQ(candidate(result, result.chosen).family, 1U);
  EXPECT_LE(candidate(result, result.chosen).alpha, candidate(result, result.best).alpha);
}

/// "fifth" wins by far, but its answers are twice as long on the prompts that confirm it.
FakeSource longer_later(const PromptSplit& parts) {
  const auto candidates = two_families();
  return {candidates, kPrompts, [=](double alpha, const ScoreRequest& request) {
            const std::size_t family =
                request.candidate < candidates.size() ? candidates[request.candidate].family : 1;
            const bool confirms = std::ranges::count(parts.confirming, request.prompt) > 0;
            return Score{truth(alpha, family, 8, 0.9), family == 1 && confirms ? 20.0 : 10.0, 10};
          }};
}

TEST_P(Families, GuardsAreLookedAtAgainAlsoWithABaseline) {
  const PromptSplit parts = split();
  FakeSource models = longer_later(parts);
  SearchRunOptions run = options(GetParam());
  run.guards = {parse_guard("length<=1.5x", {})};
  run.add_rival = [&] { return std::size_t{9}; };  // fifth at α = 0
  const SearchResult result = run_search(models, parts, run);
  EXPECT_EQ(candidate(result, result.chosen).family, 1U);
  EXPECT_TRUE(std::ranges::any_of(result.warnings, [](const std::string& each) {
    return each.find("violates --guard 'length<=1.5x'") != std::string::npos;
  }));
}

TEST_P(Families, ABaselineThatViolatesAGuardIsNotRecommended) {
  const auto candidates = two_families();
  // fifth at α = 0 is the best, and too long.
  FakeSource models{candidates, kPrompts, [=](double alpha, const ScoreRequest& request) {
                      const bool is_rival = request.candidate == 9;
                      return Score{is_rival ? 0.9
                                            : 0.5 - 0.01 * std::abs(alpha - 1) +
                                                  0.1 * jitter(request.candidate, request.prompt),
                                   is_rival ? 100.0 : 10.0, 10};
                    }};
  SearchRunOptions run = options(GetParam());
  run.guards = {parse_guard("length<=1.5x", {})};
  run.add_rival = [&] { return std::size_t{9}; };
  const SearchResult result = run_search(models, split(), run);
  EXPECT_EQ(result.confirmation.verdict, Verdict::no_worthwhile_gain);
  EXPECT_EQ(result.recommended, result.chosen);
  EXPECT_TRUE(std::ranges::any_of(result.warnings, [](const std::string& each) {
    return each.find("is not recommended, as it violates a guard") != std::string::npos;
  }));
}

TEST(FamiliesRace, RefinesAndExtendsTheModelThatLeads) {
  FakeSource scores = source(25, 0.9, 800);
  scores.makes_candidates = true;
  const std::size_t before = scores.candidates().size();
  run_search(scores, split(800), options(Strategy::race));
  ASSERT_GT(scores.candidates().size(), before);
  for (std::size_t i = before; i < scores.candidates().size(); ++i) {
    EXPECT_EQ(scores.candidates()[i].family, 1U);
    EXPECT_GT(scores.candidates()[i].alpha, 16);
  }
}

TEST(FamiliesWarnings, NameTheModel) {
  // Answers of the second model are longer, but all alike at its own α = 0.
  const auto candidates = two_families();
  FakeSource scores(candidates, kPrompts, [&](double alpha, const ScoreRequest& request) {
    const std::size_t family = candidates[request.candidate].family;
    const double length = family == 0 ? (alpha > 0 ? 30 : 10) : 40;
    return Score{(family == 1 ? alpha : 0) + jitter(request.candidate, request.prompt), length, 10};
  });
  const SearchResult result = run_search(scores, split(), options(Strategy::grid));
  ASSERT_EQ(result.warnings.size(), 3U);
  EXPECT_NE(result.warnings[0].find("fifth α = 0 is "), std::string::npos) << result.warnings[0];
  EXPECT_NE(result.warnings[1].find("(fifth α = 25)"), std::string::npos) << result.warnings[1];
  EXPECT_NE(result.warnings[2].find("at all α = 0.5 answers are already 3.0 times"),
            std::string::npos)
      << result.warnings[2];
}

}  // namespace
}  // namespace expo
