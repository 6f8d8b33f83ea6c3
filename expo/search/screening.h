#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "expo/search/score_table.h"
#include "expo/search/source/collapse.h"
#include "expo/search/spending.h"

namespace expo {

/// A candidate whose answers collapse where those of α = 0 do not.
struct Collapsed {
  std::size_t candidate = 0;
  Collapse kind = Collapse::none;
  double share = 0;     ///< of its answers
  double baseline = 0;  ///< the same of α = 0
  std::size_t answers = 0;
  std::uint64_t cap = 0;  ///< tokens after which answers were cut
};

/// Looks at the first answers of candidates before any of them is scored, so that one whose answers
/// do not end does not cost the user's whole limit on every prompt. α = 0 is answered first, as it
/// will be; answers of the others are cut after twice its 95th percentile of tokens, but not below
/// 64. A candidate is dropped if one kind of collapse is more frequent with it than at α = 0 (see
/// collapses_beyond()); as endless only if a cut answer also runs to the user's own limit, twice of
/// two times, as answers may be long and still end; unless the budget is nearly spent by the like
/// of that already. Those that stay are asked for their first rows as ever: what was cut goes on,
/// or is answered again, so that nothing cut is ever scored.
///
/// All tokens that it has generated are the table's at once, those of answers that stay as prepaid.
class Screening {
 public:
  using Sink = std::function<void(const Collapsed&)>;

  /// `baseline` is α = 0; `sink` (unless it is empty) hears of each that is dropped. The table and
  /// the spending must outlive this object.
  Screening(ScoreTable& table, Spending& spending, std::size_t baseline, Sink sink)
      : table_(table), spending_(spending), baseline_(baseline), sink_(std::move(sink)) {}

  /// Screens candidates on their first rows: 16 of them, or as many as a share of what is left of
  /// the budget reaches (1 / `parts`), or as a first look will ask for without a budget (`end`, but
  /// 8 in any case). Returns those that stay, in their order, the baseline among them if it was.
  /// With fewer than 6 rows nothing is screened, as so few tell nothing.
  std::vector<std::size_t> pass(std::span<const std::size_t> candidates, std::size_t parts,
                                std::size_t end);

  const std::vector<Collapsed>& collapsed() const { return collapsed_; }
  bool has_dropped(std::size_t candidate) const;

 private:
  struct Baseline {
    CollapseCounts counts;
    std::uint64_t cap = 0;
  };

  std::size_t affordable_rows(std::span<const std::size_t> candidates, std::size_t parts,
                              std::size_t end);
  Baseline look_at_baseline();
  void pay(std::span<const ScoreRequest> requests, std::span<const Glance> glances);
  /// Whether a candidate stays; pays for its glances.
  bool stays(std::size_t candidate, std::span<const ScoreRequest> requests,
             std::span<const Glance> glances, const Baseline& baseline);
  bool ends_by_itself(std::span<const ScoreRequest> requests, std::span<const Glance> glances);

  ScoreTable& table_;
  Spending& spending_;
  std::size_t baseline_;
  Sink sink_;
  std::vector<Collapsed> collapsed_;
  std::uint64_t dearest_ = 0;  ///< tokens of a candidate's answers that were let go on in vain
};

}  // namespace expo
