#include "expo/search/strategy.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "expo/core/error.h"
#include "expo/search/statistics/sign_flip.h"
#include "expo/search/statistics/summary.h"
#include "expo/search/strategies.h"

namespace expo {
namespace {

double alpha_of(const ScoreTable& table, std::size_t candidate) {
  return table.candidates()[candidate].alpha;
}

bool is_clearly_worse(const ScoreTable& table, std::size_t candidate, std::size_t best) {
  constexpr double kLevel = 0.05;
  const std::size_t rows = std::min(table.of(best).size(), table.of(candidate).size());
  const auto differences =
      paired_differences(table.prompt_means(best, rows), table.prompt_means(candidate, rows));
  return differences.empty() || SignFlipTest(differences, 0, 999).p_value() <= kLevel;
}

/// Adds what follows from the choice.
void find_ties(const ScoreTable& table, const SearchOptions& options, Choice& choice) {
  const std::size_t rows = table.of(choice.chosen).size();
  for (const std::size_t candidate : contenders(table)) {
    const bool is_known = 2 * table.of(candidate).size() >= rows;
    const bool stays =
        candidate == choice.chosen || (is_known && is_eligible(table, options, candidate) &&
                                       !is_clearly_worse(table, candidate, choice.chosen));
    if (stays) choice.tied.push_back(candidate);
  }
  std::stable_sort(choice.tied.begin(), choice.tied.end(),
                   [&](std::size_t left, std::size_t right) {
                     return alpha_of(table, left) < alpha_of(table, right);
                   });
  choice.smallest = choice.tied.front();
}

}  // namespace

std::vector<std::size_t> contenders(const ScoreTable& table) {
  std::vector<std::size_t> result;
  for (std::size_t i = 0; i < table.candidates().size(); ++i) {
    if (alpha_of(table, i) >= 0) result.push_back(i);
  }
  return result;
}

bool is_eligible(const ScoreTable& table, const SearchOptions& options, std::size_t candidate) {
  if (candidate == options.baseline) return true;
  const auto scores = table.of(candidate);
  const auto baseline = table.of(options.baseline);
  return !scores.empty() &&
         std::none_of(options.guards.begin(), options.guards.end(),
                      [&](const Guard& g) { return violates(g, scores, baseline); });
}

bool is_clearly_out(const ScoreTable& table, const SearchOptions& options, std::size_t candidate) {
  if (candidate == options.baseline) return false;
  return std::any_of(options.guards.begin(), options.guards.end(), [&](const Guard& guard) {
    return clearly_violates(guard, table.of(candidate), table.of(options.baseline));
  });
}

double mean_score(const ScoreTable& table, std::size_t candidate) {
  const auto scores = table.of(candidate);
  if (scores.empty()) return -std::numeric_limits<double>::infinity();
  return summarize(score_values(scores)).mean;
}

std::size_t best_by_mean(const ScoreTable& table, const SearchOptions& options,
                         std::span<const std::size_t> candidates) {
  std::size_t best = options.baseline;
  for (const std::size_t candidate : candidates) {
    if (!is_eligible(table, options, candidate)) continue;
    const double mean = mean_score(table, candidate);
    const double most = mean_score(table, best);
    const bool is_smaller = alpha_of(table, candidate) < alpha_of(table, best);
    if (mean > most || (mean == most && is_smaller)) best = candidate;
  }
  return best;
}

Look look_by_mean(const ScoreTable& table, std::span<const std::size_t> candidates,
                  std::span<const std::size_t> alive) {
  Look look;
  look.tokens = table.tokens();
  for (const std::size_t candidate : candidates) {
    const double mean = mean_score(table, candidate);
    const bool stays = std::find(alive.begin(), alive.end(), candidate) != alive.end();
    look.entries.push_back({candidate, table.of(candidate).size(), mean, mean, 0, stays});
  }
  return look;
}

void record(Look look, const SearchOptions& options, Choice& choice) {
  choice.looks.push_back(std::move(look));
  if (options.on_look) options.on_look(choice.looks.back());
}

Choice choose_alone(Strategy strategy, ScoreTable& table, const SearchOptions& options) {
  const std::uint64_t before = table.tokens();
  Choice choice = strategy == Strategy::grid      ? choose_by_grid(table, options)
                  : strategy == Strategy::halving ? choose_by_halving(table, options)
                                                  : choose_by_race(table, options);
  choice.tokens = table.tokens() - before;
  return choice;
}

Choice choose(Strategy strategy, ScoreTable& table, const SearchOptions& options) {
  Choice choice = choose_alone(strategy, table, options);
  find_ties(table, options, choice);
  return choice;
}

std::string_view strategy_name(Strategy strategy) {
  switch (strategy) {
    case Strategy::grid:
      return "grid";
    case Strategy::halving:
      return "halving";
    case Strategy::race:
      break;
  }
  return "race";
}

Strategy strategy_named(std::string_view name) {
  if (name == "grid") return Strategy::grid;
  if (name == "halving") return Strategy::halving;
  if (name == "race") return Strategy::race;
  throw usage_error(fmt::format("no strategy is named '{}'; expected race, grid or halving", name));
}

}  // namespace expo
