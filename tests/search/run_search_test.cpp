#include "expo/search/run/search_run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "expo/core/error.h"
#include "expo/search/run/alpha_list.h"
#include "expo/search/source/recording.h"
#include "expo/search/source/simulator.h"
#include "tests/search/fake_source.h"

namespace expo {
namespace {

PromptSplit split_of(std::size_t prompts) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < prompts; ++i) texts.push_back("prompt " + std::to_string(i));
  return split_prompts(texts);
}

Simulator simulator(const char* truth, std::size_t prompts = 400, std::uint64_t seed = 3) {
  Simulation simulation;
  simulation.truth = &truth_named(truth);
  simulation.prompts = prompts;
  return {simulation, default_alphas(), seed};
}

double alpha_of(const SearchResult& result, std::size_t candidate) {
  return result.candidates.at(candidate).candidate.alpha;
}

class EachStrategy : public testing::TestWithParam<Strategy> {};
INSTANTIATE_TEST_SUITE_P(Strategies, EachStrategy,
                         testing::Values(Strategy::grid, Strategy::halving, Strategy::race));

TEST_P(EachStrategy, GainIsTheMeanDifferenceOnPromptsThatChoseNothing) {
  Simulator source = simulator("one-peak");
  const PromptSplit split = split_of(400);
  SearchRunOptions options;
  options.strategy = GetParam();
  const SearchResult result = run_search(source, split, options);
  ASSERT_TRUE(result.confirmation.gain);
  double sum = 0;
  for (const std::size_t prompt : split.confirming) {
    for (std::uint32_t sample = 0; sample < source.samples(); ++sample) {
      const auto scores = source.scores(std::vector<ScoreRequest>{
          {result.chosen, prompt, sample}, {result.baseline, prompt, sample}});
      sum += scores[0].score - scores[1].score;
    }
  }
  const double mean = sum / static_cast<double>(split.confirming.size() * source.samples());
  EXPECT_NEAR(result.confirmation.gain->difference.mean, mean, 1e-12);
  EXPECT_EQ(result.confirmation.gain->difference.count, split.confirming.size());
  EXPECT_NEAR(result.candidates[result.chosen].confirming->mean -
                  result.candidates[result.baseline].confirming->mean,
              mean, 1e-12);
  EXPECT_EQ(result.alpha, alpha_of(result, result.chosen));
}

TEST_P(EachStrategy, KeepsAThirdOfTheBudgetForTheConfirmation) {
  Simulator source = simulator("one-peak");
  SearchRunOptions options;
  options.strategy = GetParam();
  options.tokens = 200'000;
  const SearchResult result = run_search(source, split_of(400), options);
  EXPECT_LE(result.choosing_tokens, 137'000U);
  EXPECT_LE(result.tokens, 204'000U);
  EXPECT_GT(result.tokens, result.choosing_tokens);
  EXPECT_GE(result.compared_prompts, 100U);
}

TEST(SearchRun, RecommendsZeroWhereThereIsNoWorthwhileGain) {
  // Every answer at α > 0 is a little better where the prompts choose, and worse where they
  // confirm.
  const PromptSplit split = split_of(200);
  FakeSource source({-1, 0, 1}, 200, [&](double alpha, const ScoreRequest& request) {
    const bool confirms = std::find(split.confirming.begin(), split.confirming.end(),
                                    request.prompt) != split.confirming.end();
    return Score{(confirms ? -alpha : alpha) + jitter(request.candidate, request.prompt), 10, 10};
  });
  const SearchResult result = run_search(source, split, {});
  EXPECT_EQ(alpha_of(result, result.chosen), 1);
  EXPECT_EQ(result.confirmation.verdict, Verdict::no_worthwhile_gain);
  EXPECT_EQ(result.alpha, 0);
}

TEST(SearchRun, SaysThatTrainingDidNotHelp) {
  FakeSource source({-1, 0, 1}, 200, [](double alpha, const ScoreRequest& request) {
    return Score{-alpha + jitter(request.candidate, request.prompt), 10, 10};
  });
  const SearchResult result = run_search(source, split_of(200), {});
  ASSERT_FALSE(result.warnings.empty());
  EXPECT_NE(result.warnings[0].find("is worse than SFT"), std::string::npos);
  EXPECT_GT(result.confirmation.training->p, 0.9);
  EXPECT_EQ(alpha_of(result, result.chosen), 0);
}

TEST(SearchRun, PreferenceForTheSmallestNeverTakesZero) {
  FakeSource source({-1, 0, 1, 2, 4}, 300, [](double alpha, const ScoreRequest& request) {
    const double gain = alpha <= 0 ? alpha : 0.2 + 0.001 * alpha;
    return Score{gain + jitter(request.candidate, request.prompt), 10, 10};
  });
  SearchRunOptions options;
  options.prefer = TiePreference::smallest;
  options.strategy = Strategy::grid;
  const SearchResult result = run_search(source, split_of(300), options);
  EXPECT_EQ(alpha_of(result, result.chosen), 1);
  EXPECT_TRUE(std::find(result.tied.begin(), result.tied.end(), result.best) != result.tied.end());
}

/// Scores grow with α, and "brief" falls by 0.1 α, where `extra` is not added to it.
FakeSource two_objectives(std::size_t prompts, std::function<double(std::size_t)> extra) {
  FakeSource source({-1, 0, 1, 2, 4}, prompts, [=](double alpha, const ScoreRequest& request) {
    Score score{alpha + jitter(request.candidate, request.prompt), 10, 10};
    score.measures = {1 - 0.1 * alpha + (alpha > 0 ? extra(request.prompt) : 0), 0.5};
    return score;
  });
  source.further = {{"brief", true}, {"repetition", false}};
  return source;
}

TEST_P(EachStrategy, AGuardOnAFurtherObjectiveRulesOutWhatCostsTooMuch) {
  FakeSource source = two_objectives(200, [](std::size_t) { return 0; });
  SearchRunOptions options;
  options.strategy = GetParam();
  options.guards = {parse_guard("brief>=-0.25", source.further)};
  const SearchResult result = run_search(source, split_of(200), options);
  EXPECT_EQ(alpha_of(result, result.chosen), 2);
  EXPECT_FALSE(result.candidates[4].eligible);
  const Json json = to_json(result);
  EXPECT_NEAR(json["shown"]["brief"]["difference"], -0.2, 1e-12);
  EXPECT_NEAR(json["shown"]["brief"]["standard_error"], 0, 1e-12);
  EXPECT_FALSE(json["shown"].contains("repetition"));
  const Json& chosen = json["candidates"][3];
  EXPECT_EQ(chosen["alpha"], 2);
  EXPECT_NEAR(chosen["confirming"]["scores"]["brief"]["mean"], 0.8, 1e-12);
  EXPECT_NEAR(chosen["choosing"]["scores"]["brief"]["mean"], 0.8, 1e-12);
  EXPECT_NEAR(chosen["choosing"]["repetition"], 0.5, 1e-12);
  EXPECT_TRUE(chosen["choosing"]["distinct_2"].is_null());
}

TEST(SearchRun, TellsOfAnAlphaThatCollapses) {
  FakeSource source({-1, 0, 1, 2}, 200, [](double alpha, const ScoreRequest& request) {
    Score score{alpha + jitter(request.candidate, request.prompt), 10, 10};
    if (alpha == 2 && request.prompt % 4 != 0) score.collapse = Collapse::repeating;
    return score;
  });
  SearchRunOptions options;
  std::vector<double> heard;
  options.on_collapsed = [&](const Collapsed& each, const std::vector<Candidate>& all) {
    heard.push_back(all.at(each.candidate).alpha);
  };
  const SearchResult result = run_search(source, split_of(200), options);
  EXPECT_EQ(alpha_of(result, result.chosen), 1);
  EXPECT_EQ(heard, std::vector<double>{2});
  const Json json = to_json(result);
  const Json& dropped = json["candidates"][3];
  EXPECT_EQ(dropped["alpha"], 2);
  EXPECT_EQ(dropped["eligible"], false);
  EXPECT_EQ(dropped["collapsed"]["kind"], "repeating");
  EXPECT_GT(dropped["collapsed"]["share"], 0.4);
  EXPECT_EQ(dropped["collapsed"]["share_at_zero"], 0.0);
  EXPECT_TRUE(dropped["choosing"].is_null());
  EXPECT_TRUE(json["candidates"][2]["collapsed"].is_null());
}

TEST(SearchRun, WarnsWhereTheConfirmingPartViolatesAGuard) {
  const PromptSplit split = split_of(200);
  FakeSource source = two_objectives(200, [&](std::size_t prompt) {
    return std::ranges::count(split.confirming, prompt) > 0 ? -0.5 : 0;
  });
  SearchRunOptions options;
  options.guards = {parse_guard("brief>=-0.45", source.further)};
  const SearchResult result = run_search(source, split, options);
  EXPECT_EQ(alpha_of(result, result.chosen), 4);
  EXPECT_TRUE(std::ranges::any_of(result.warnings, [](const std::string& warning) {
    return warning.starts_with("on the confirming part, α = 4 violates --guard 'brief>=-0.45'");
  }));
}

TEST(SearchRun, NamesAnAlphaAtTheEdgeAndASurgeOfLength) {
  FakeSource source({-1, 0, 0.3, 1}, 200, [](double alpha, const ScoreRequest& request) {
    return Score{alpha + jitter(request.candidate, request.prompt) / 10, alpha > 0 ? 20.0 : 10.0,
                 10};
  });
  const SearchResult result = run_search(source, split_of(200), {});
  ASSERT_EQ(result.warnings.size(), 2U);
  EXPECT_NE(result.warnings[0].find("the largest that was tried"), std::string::npos);
  EXPECT_NE(result.warnings[1].find("2.0 times as long"), std::string::npos);
}

TEST(SearchRun, AsksNothingOfTheConfirmingPartBeforeItHasChosen) {
  const PromptSplit split = split_of(100);
  FakeSource source({-1, 0, 1}, 100, [](double alpha, const ScoreRequest& request) {
    return Score{alpha + jitter(request.candidate, request.prompt), 10, 10};
  });
  SearchRunOptions options;
  std::size_t looks = 0;
  options.on_look = [&](const Look&, std::size_t number, const auto&) {
    EXPECT_EQ(number, ++looks);
  };
  options.on_confirming = [&](const Candidate& chosen, const Candidate& baseline,
                              std::size_t prompts) {
    EXPECT_EQ(chosen.alpha, 1);
    EXPECT_EQ(baseline.alpha, 0);
    EXPECT_EQ(prompts, split.confirming.size());
    for (const ScoreRequest& each : source.asked) {
      EXPECT_EQ(std::count(split.confirming.begin(), split.confirming.end(), each.prompt), 0);
    }
  };
  run_search(source, split, options);
  EXPECT_EQ(looks, 4U);
}

TEST(SearchRun, ARecordingGivesTheSameJsonEachTime) {
  Simulator source = simulator("two-peaks", 120);
  Recording recording(source.candidates(), std::vector<std::string>(120, "x"), source.samples());
  for (std::size_t candidate = 0; candidate < source.candidates().size(); ++candidate) {
    for (std::size_t prompt = 0; prompt < 120; ++prompt) {
      for (std::uint32_t sample = 0; sample < source.samples(); ++sample) {
        const ScoreRequest request{candidate, prompt, sample};
        recording.set(request, source.scores(std::vector{request})[0]);
      }
    }
  }
  const std::string first = format_json(to_json(run_search(recording, split_of(120), {})));
  EXPECT_EQ(format_json(to_json(run_search(recording, split_of(120), {}))), first);
  const Json json = parse_json(first, "search.json");
  for (const char* key : {"alpha", "verdict", "gain", "interval", "p", "tokens", "candidates"})
    EXPECT_TRUE(json.contains(key)) << key;
  EXPECT_EQ(json["candidates"].size(), recording.candidates().size());
  EXPECT_EQ(json["candidates"][0]["alpha"], -1);
}

TEST(SearchRun, OpenBoundsAreNull) {
  FakeSource source({-1, 0, 1}, 4, [](double alpha, const ScoreRequest& request) {
    return Score{alpha + jitter(request.candidate, request.prompt) / 10, 10, 10};
  });
  PromptSplit split;
  split.choosing = {0, 1};
  split.confirming = {2, 3};
  const Json json = to_json(run_search(source, split, {}));
  EXPECT_EQ(json["interval"], Json::array({nullptr, nullptr}));
  EXPECT_EQ(json["verdict"], "undecided");
}

TEST(SearchRun, RefusesABudgetThatCannotDoBeforeTheFirstAnswer) {
  SearchRunOptions options;
  options.tokens = 32;
  // Two prompts at each of 11 α cost at least 22 tokens, which are two thirds of 33.
  EXPECT_THROW(check_token_budget(options, 11, 1), Error);
  options.tokens = 33;
  check_token_budget(options, 11, 1);
  options.tokens = std::nullopt;
  check_token_budget(options, 11, 1);
  // A search of one-token answers keeps the budget that is named as the least.
  FakeSource source({-1, 0, 1, 2}, 40, [](double alpha, const ScoreRequest& request) {
    return Score{alpha + jitter(request.candidate, request.prompt), 1, 1};
  });
  options.tokens = 10;
  check_token_budget(options, 3, 1);
  options.tokens = 9;
  EXPECT_THROW(check_token_budget(options, 3, 1), Error);
}

TEST_P(EachStrategy, StopsWithTheNumberOfTokensWhereTheBudgetIsTooSmall) {
  SearchRunOptions options;
  options.strategy = GetParam();
  for (const std::uint64_t budget : {40, 200, 450}) {
    Simulator source = simulator("one-peak");
    options.tokens = budget;
    check_token_budget(options, 11, 1);
    try {
      run_search(source, split_of(400), options);
      ADD_FAILURE() << budget << " was not refused";
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::usage);
      EXPECT_NE(std::string(error.what()).find("give at least"), std::string::npos) << error.what();
    }
  }
}

TEST(SearchRun, NamesTheNumberOfPromptsThatAClaimNeeds) {
  PromptSplit split;
  split.choosing = {0, 1, 2, 3, 4};
  split.confirming = {5, 6, 7, 8};
  try {
    check_parts(split, "dev.jsonl");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::input);
    EXPECT_NE(std::string(error.what()).find("at least 5 in each"), std::string::npos);
  }
  split.confirming.push_back(9);
  check_parts(split, "dev.jsonl");
}

TEST(AlphaList, AddsTheControlAndTheBaseline) {
  EXPECT_EQ(parse_alphas("0.5, 0.1,3"), (std::vector<double>{-1, 0, 0.1, 0.5, 3}));
  EXPECT_EQ(parse_alphas("-1,0,2"), (std::vector<double>{-1, 0, 2}));
}

TEST(AlphaList, RefusesNonsense) {
  for (const char* list : {"", "0.1,,0.3", "0.1;0.3", "nan", "inf", "-0.5", "1001", "0.1x", "0",
                           "-1,0", "0.3,0.1,0.30", "0,-0,1"}) {
    EXPECT_THROW(parse_alphas(list), Error) << list;
  }
}

}  // namespace
}  // namespace expo
