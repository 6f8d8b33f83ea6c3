#include "expo/search/expected_answers.h"

#include "expo/search/strategies.h"

namespace expo {
namespace {

/// The share of the points by modules that is asked for, on average over the prompts.
constexpr double kLikelyModules = 1.0 / 3;

/// The same of the α of a strategy.
double likely_share(Strategy strategy) {
  switch (strategy) {
    case Strategy::grid:
      return 1;
    case Strategy::halving:
      return 1.0 / 3;
    case Strategy::race:
      break;
  }
  return 1.0 / 2;
}

}  // namespace

ExpectedAnswers expected_in_choice(const Contest& contest, std::size_t place) {
  const std::size_t others = contest.alphas - 1;
  const bool is_race = contest.strategy == Strategy::race;
  ExpectedAnswers expected{likely_share(contest.strategy) * static_cast<double>(others), others};
  if (is_race) expected.most += kMostRefined;
  if (is_race && contest.has_control && place < kControlRows) {
    ++expected.likely;
    ++expected.most;
  }
  expected.likely += static_cast<double>(contest.module_points) * kLikelyModules;
  expected.most += contest.module_points;
  return expected;
}

ExpectedAnswers expected_in_confirmation(const Contest& contest) {
  std::size_t answers = 1;  // at the α that was chosen
  answers += contest.has_control ? 1 : 0;
  answers += contest.models > 1 ? 1 : 0;  // at α = 0 of the model that was chosen
  answers += contest.has_rival ? 1 : 0;
  answers += contest.has_other_baseline && contest.models > 2 ? 1 : 0;  // at its α = 0
  answers += contest.module_points > 0 ? 1 : 0;
  return {static_cast<double>(answers), answers};
}

}  // namespace expo
