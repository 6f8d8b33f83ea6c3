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

/// How far a round goes without a budget.
std::size_t unlimited_end(const ScoreTable& table, std::size_t rounds, std::size_t round) {
  const auto parts = std::pow(kEta, rounds - 1 - round);
  return static_cast<std::size_t>(std::ceil(static_cast<double>(table.rows()) / parts));
}

/// How far this round goes: it spends its share of what is left, or more if the later rounds could
/// not use up theirs, as there are no more prompts.
std::size_t planned_end(const ScoreTable& table, const Spending& spending,
                        const std::vector<std::size_t>& alive, std::size_t rounds) {
  const double left = spending.left();
  const std::size_t equal = spending.reach(alive, left / static_cast<double>(rounds));
  double row = 0;
  for (const std::size_t each : alive) row += table.expected_tokens(each).value_or(0);
  const auto now = static_cast<double>(alive.size());
  const double later = rounds > 1 ? std::ceil(now / kEta) : 0;
  const double known = static_cast<double>(table.of(alive.front()).size());
  // now · (end − known) + later · (rows − end) = what is left, in rows.
  const double end =
      (left / (row / now) + now * known - later * static_cast<double>(table.rows())) /
      (now - later);
  return std::max(equal, static_cast<std::size_t>(std::max(0.0, end)));
}

}  // namespace

// Jamieson & Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization"
// (2016): every round spends the same, on a third of the candidates of the round before.
Choice choose_by_halving(ScoreTable& table, const SearchOptions& options) {
  std::vector<std::size_t> alive = contenders(table);
  Spending spending(table, options.tokens, options.budget_part);
  Screening screening(table, spending, options.baseline, options.on_collapsed);
  Choice choice;
  if (options.screen) {
    const std::size_t first = rounds_for(alive.size());
    alive = screening.pass(alive, first, unlimited_end(table, first, 0));
  }
  choice.collapsed = screening.collapsed();
  const std::size_t rounds = rounds_for(alive.size());
  if (options.tokens) spending.extend(alive, 2);
  for (std::size_t round = 0; round < rounds; ++round) {
    const std::size_t end = options.tokens ? planned_end(table, spending, alive, rounds - round)
                                           : unlimited_end(table, rounds, round);
    spending.extend(alive, end);
    const std::vector<std::size_t> seen = alive;
    if (round + 1 < rounds) alive = best_third(table, options, alive);
    record(look_by_mean(table, seen, alive), options, choice);
  }
  choice.chosen = best_by_mean(table, options, alive);
  return choice;
}

}  // namespace expo
