#pragma once

#include <span>
#include <vector>

#include "expo/search/strategy.h"

namespace expo {

// The strategies behind choose(): each fills looks and the chosen candidate only.
Choice choose_by_grid(ScoreTable& table, const SearchOptions& options);
Choice choose_by_halving(ScoreTable& table, const SearchOptions& options);
Choice choose_by_race(ScoreTable& table, const SearchOptions& options);

/// Most α that a race adds to those of its source: between the leader and its two neighbours, or
/// beyond it.
inline constexpr std::size_t kMostRefined = 2;
/// Rows of the control, α = −1, in a race; the other strategies do not ask it.
inline constexpr std::size_t kControlRows = 16;

/// As choose() does, without the set that cannot be told apart, which costs more than all else
/// where scores are at hand.
Choice choose_alone(Strategy strategy, ScoreTable& table, const SearchOptions& options);

/// The candidates that may be chosen: those with α ≥ 0.
std::vector<std::size_t> contenders(const ScoreTable& table);

/// Whether a candidate may be chosen, as its means violate no guard. The baseline always may.
bool is_eligible(const ScoreTable& table, const SearchOptions& options, std::size_t candidate);

/// Whether a candidate violates a guard by so much that it is not asked on. The baseline never
/// does.
bool is_clearly_out(const ScoreTable& table, const SearchOptions& options, std::size_t candidate);

/// The mean score of a candidate; −∞ if it has no prompt.
double mean_score(const ScoreTable& table, std::size_t candidate);

/// The eligible candidate with the best mean; of equal ones that with the smallest α.
std::size_t best_by_mean(const ScoreTable& table, const SearchOptions& options,
                         std::span<const std::size_t> candidates);

/// A look at the candidates by their means; those of `alive` stay.
Look look_by_mean(const ScoreTable& table, std::span<const std::size_t> candidates,
                  std::span<const std::size_t> alive);

/// Appends a look to the choice, and tells of it.
void record(Look look, const SearchOptions& options, Choice& choice);

}  // namespace expo
