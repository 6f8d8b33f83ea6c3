#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "expo/search/score_table.h"

namespace expo {

/// Asks a table's source within a budget of tokens. What answers will cost is known only after they
/// are made, so a large demand is made in parts, each corrected by the prices of those before it;
/// the budget is overrun by no more than the last prompts differ from what they were expected to
/// cost.
class Spending {
 public:
  Spending(ScoreTable& table, std::optional<std::uint64_t> budget)
      : table_(table), budget_(budget), before_(table.tokens()) {}

  /// Asks for all candidates' first `end` prompts, or for as many as the budget reaches if that is
  /// fewer, the same for all. Returns whether it reached.
  bool extend(std::span<const std::size_t> candidates, std::size_t end);

  /// The expected price of extend(); 0 before anything is known.
  double price(std::span<const std::size_t> candidates, std::size_t end) const;

  std::uint64_t spent() const { return table_.tokens() - before_; }
  double left() const;  ///< infinite without a budget

 private:
  std::size_t affordable(std::span<const std::size_t> candidates, std::size_t end,
                         double tokens) const;

  ScoreTable& table_;
  std::optional<std::uint64_t> budget_;
  std::uint64_t before_;
};

}  // namespace expo
