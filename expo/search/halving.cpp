#include <algorithm>
#include <cmath>

#include "expo/search/spending.h"
#include "expo/search/strategies.h"

namespace expo {
namespace {

constexpr std::size_t kEta = 3;

std::size_t rounds_for(std::size_t candidates) {
  std::size_t rounds = 1;
  for (std::size_t left = candidates; left > 1; left = (left + kEta - 1) / kEta) ++rounds;
  return std::max<std::size_t>(1, rounds - 1);
}

/// The third that is best by its means; candidates that may not be chosen come last.
std::vector<std::size_t> best_third(const ScoreTable& table, const SearchOptions& options,
                                    std::vector<std::size_t> alive) {
  std::stable_sort(alive.begin(), alive.end(), [&](std::size_t left, std::size_t right) {
    const bool first = is_eligible(table, options, left);
    const bool second = is_eligible(table, options, right);
    if (first != second) return first;
    return mean_score(table, left) > mean_score(table, right);
  });
  alive.resize((alive.size() + kEta - 1) / kEta);
  return alive;
}

/// The number of prompts to which a share of the budget takes all that are alive.
std::size_t reached(const ScoreTable& table, const Spending& spending,
                    const std::vector<std::size_t>& alive, double tokens) {
  std::size_t end = table.of(alive.front()).size();
  while (end < table.rows() && spending.price(alive, end + 1) <= tokens) ++end;
  return end;
}

}  // namespace

// Jamieson & Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization"
// (2016): every round spends the same, on a third of the candidates of the round before.
Choice choose_by_halving(ScoreTable& table, const SearchOptions& options) {
  const std::vector<std::size_t> all = contenders(table);
  std::vector<std::size_t> alive = all;
  Spending spending(table, options.tokens);
  const std::size_t rounds = rounds_for(all.size());
  Choice choice;
  table.ask(alive, 1);
  for (std::size_t round = 0; round < rounds; ++round) {
    const double share = spending.left() / static_cast<double>(rounds - round);
    const auto unlimited = static_cast<std::size_t>(
        std::ceil(static_cast<double>(table.rows()) / std::pow(kEta, rounds - 1 - round)));
    const std::size_t end = options.tokens ? reached(table, spending, alive, share) : unlimited;
    spending.extend(alive, end);
    const std::vector<std::size_t> seen = alive;
    if (round + 1 < rounds) alive = best_third(table, options, alive);
    choice.looks.push_back(look_by_mean(table, seen, alive));
  }
  choice.chosen = best_by_mean(table, options, alive);
  return choice;
}

}  // namespace expo
