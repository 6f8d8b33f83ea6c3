#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "expo/search/score_table.h"

namespace expo {

/// Asks a table's source within a budget of tokens. What answers will cost is known only after they
/// are made, so a large demand is made in parts, each corrected by the prices of those before it,
/// and with a margin of two standard deviations, so that the budget is rarely overrun, and then by
/// little.
class Spending {
 public:
  Spending(ScoreTable& table, std::optional<std::uint64_t> budget)
      : table_(table), budget_(budget), before_(table.tokens()) {}

  /// Asks for all candidates' first `end` rows, or for as many as the budget reaches if that is
  /// fewer, the same for all. Returns whether it reached.
  bool extend(std::span<const std::size_t> candidates, std::size_t end);

  /// The largest `end`, at most that of the table, for which extend() is expected to take no more
  /// than `tokens`, without a margin: for plans.
  std::size_t reach(std::span<const std::size_t> candidates, double tokens) const {
    return affordable(candidates, tokens, 0);
  }

  std::uint64_t spent() const { return table_.tokens() - before_; }
  double left() const;  ///< infinite without a budget

 private:
  /// `margin` is a number of standard deviations.
  double price(std::span<const std::size_t> candidates, std::size_t end, double margin) const;
  std::size_t affordable(std::span<const std::size_t> candidates, double tokens,
                         double margin) const;

  ScoreTable& table_;
  std::optional<std::uint64_t> budget_;
  std::uint64_t before_;
};

}  // namespace expo
