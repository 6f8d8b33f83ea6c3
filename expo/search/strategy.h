#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "expo/search/guards.h"
#include "expo/search/score_table.h"
#include "expo/search/screening.h"

namespace expo {

/// How α is chosen.
enum class Strategy {
  grid,     ///< all candidates on all prompts, or on as many as the budget reaches
  halving,  ///< successive halving, η = 3, prompts cumulative
  race,     ///< looks at growing numbers of prompts, neighbours lending each other strength
};

struct Look;

struct SearchOptions {
  std::size_t baseline = 0;             ///< α = 0, which is never dropped
  std::optional<std::size_t> control;   ///< α = −1: seen at the first look, never chosen
  std::optional<std::uint64_t> tokens;  ///< budget; std::nullopt: all that the strategy wants
  BudgetPart budget_part = {};          ///< how `tokens` belong to what the user named
  std::vector<Guard> guards;
  bool refine = true;                             ///< the race may ask the source for further α
  bool screen = true;                             ///< all but the grid drop α that collapse
  std::function<void(const Look&)> on_look = {};  ///< hears of each look as it is made
  Screening::Sink on_collapsed = {};              ///< hears of each α that is dropped for that
};

/// One candidate at one look.
struct LookEntry {
  std::size_t candidate = 0;
  std::size_t prompts = 0;
  double mean = 0;    ///< of the scores
  double belief = 0;  ///< what decides: the mean, or the race's belief about it
  double chance = 0;  ///< of being the best, in a race
  bool alive = true;  ///< whether it stays
};

/// What was known and decided at one point of a search.
struct Look {
  std::uint64_t tokens = 0;  ///< so far
  std::vector<LookEntry> entries;
};

/// What a strategy found. It claims nothing: the mean of a winner is too high.
struct Choice {
  std::size_t chosen = 0;
  /// The candidates that cannot be told apart from the chosen one on the common prompts (one-sided
  /// sign-flip test at 5 %), with it, in the order of their α, none of them below 0. What was left
  /// out while it had less than half of the chosen one's rows is not among them: so few tell
  /// nothing apart.
  std::vector<std::size_t> tied;
  std::size_t smallest = 0;  ///< the first of them
  std::vector<Look> looks;
  std::vector<Collapsed> collapsed;  ///< what was dropped before it was scored
  std::uint64_t tokens = 0;
};

/// Chooses among the table's candidates, which are all those of its source. Candidates with α < 0
/// are never chosen. Throws Error(usage) for a budget that does not reach two rows of each. The
/// source may throw; what the table holds then stays.
Choice choose(Strategy strategy, ScoreTable& table, const SearchOptions& options);

/// "grid", "halving" or "race"; throws Error(usage) for anything else.
Strategy strategy_named(std::string_view name);
std::string_view strategy_name(Strategy strategy);

}  // namespace expo
