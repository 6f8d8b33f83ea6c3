#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "expo/search/score_table.h"

namespace expo {

/// How the tokens of one part of a search belong to the budget that the user named.
struct BudgetPart {
  double end = 1;            ///< the share of the whole that this part and earlier ones may take
  std::uint64_t before = 0;  ///< tokens that earlier parts took
  std::optional<std::uint64_t> whole = {};  ///< what the user named; the part's own if not set
};

/// Asks a table's source within a budget of tokens. What answers will cost is known only after they
/// are made, so a large demand is made in parts, each corrected by the prices of those before it,
/// and with a margin of two standard deviations, so that the budget is rarely overrun, and then by
/// little. Nothing is known of a candidate's prices before its first answers, as those at a large α
/// may never end: where these might not fit at their longest, they are asked for row by row, so
/// that the budget is overrun by one row of one candidate at most.
class Spending {
 public:
  Spending(ScoreTable& table, std::optional<std::uint64_t> budget, BudgetPart part = {})
      : table_(table), budget_(budget), part_(part), before_(table.tokens()) {}

  /// Asks for all candidates' first `end` rows, or for as many as the budget reaches if that is
  /// fewer, the same for all, except where it ends within their first two. Returns whether it
  /// reached. Throws Error(usage), naming the budget that would do, if it does not reach two rows
  /// of each when several candidates of an empty table are asked for the first time.
  bool extend(std::span<const std::size_t> candidates, std::size_t end);

  /// The largest `end`, at most that of the table, for which extend() is expected to take no more
  /// than `tokens`, without a margin: for plans.
  std::size_t reach(std::span<const std::size_t> candidates, double tokens) const {
    return affordable(candidates, tokens, 0);
  }

  std::uint64_t spent() const { return table_.tokens() - before_; }
  double left() const;  ///< infinite without a budget

 private:
  bool probe(std::span<const std::size_t> candidates, std::size_t end, bool must_reach);
  /// Whether what is missing fits at its longest.
  bool fits(std::span<const std::size_t> candidates, std::size_t end) const;
  [[noreturn]] void refuse(std::span<const std::size_t> candidates, std::size_t end) const;
  /// A budget that does, rows whose prices nobody knows yet taking as much as the dearest so far.
  double needed(std::span<const std::size_t> candidates, std::size_t end) const;
  /// `margin` is a number of standard deviations.
  double price(std::span<const std::size_t> candidates, std::size_t end, double margin) const;
  std::size_t affordable(std::span<const std::size_t> candidates, double tokens,
                         double margin) const;

  ScoreTable& table_;
  std::optional<std::uint64_t> budget_;
  BudgetPart part_;
  std::uint64_t before_;
  bool is_probed_ = false;  ///< several candidates were asked for their first rows
};

}  // namespace expo
