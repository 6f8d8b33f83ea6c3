#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "expo/search/score_table.h"
#include "expo/search/spending.h"
#include "expo/search/statistics/equal_length.h"
#include "expo/search/statistics/sign_flip.h"
#include "expo/search/statistics/summary.h"

namespace expo {

/// A candidate against another one on common prompts.
struct Comparison {
  Summary difference;      ///< of prompt means, the candidate's minus the other's
  std::size_t better = 0;  ///< prompts on which the candidate's is the higher one
  std::size_t worse = 0;
  double largest = 0;                           ///< magnitude of a difference
  double p = 1;                                 ///< one-sided: "it is not better"
  FlipMethod method = FlipMethod::monte_carlo;  ///< that computed p
  std::pair<double, double> interval;  ///< two-sided, 90 %: its ends are one-sided bounds of 95 %
  std::pair<double, double> wide_interval;  ///< two-sided, 95 %
  std::optional<EqualLengthGain> at_equal_length;
};

/// Neither of the first two is said where the differences do not keep the level of the test: where
/// fewer than 50 of them tell of the tails (zeros do not, unless the differences are bounded), or
/// they are so skewed that their number is too small (see prompts_for_skewness).
/// For a gain, the exact sign test of 0/1 scores keeps it always. For the second, such scores need
/// an exact bound, and others 20 differences that are not 0: what is rare may not have occurred.
enum class Verdict {
  gain,                ///< p ≤ 0.05, and not the next
  no_worthwhile_gain,  ///< the upper bound of the gain is below the least gain that is wanted
  undecided,
};

/// "gain", "no-worthwhile-gain" or "undecided".
std::string_view verdict_name(Verdict verdict);

struct ConfirmationOptions {
  std::size_t baseline = 0;             ///< α = 0, or another model
  std::optional<std::size_t> aligned;   ///< α = 0; with the control, both are compared first
  std::optional<std::size_t> control;   ///< α = −1, the model before training
  double min_gain = 0;                  ///< a gain below it is not worth having
  std::optional<std::uint64_t> tokens;  ///< budget
  BudgetPart budget_part = {};          ///< how `tokens` belong to what the user named
  /// Also asked, but not compared: a candidate that guards are relative to.
  std::optional<std::size_t> guarded_by = {};
  std::uint64_t seed = 0;  ///< of the flips
};

struct Confirmation {
  std::optional<Comparison> training;  ///< α = 0 against the control: whether Δ helps at all
  std::optional<Comparison> gain;      ///< none if the baseline itself was chosen
  Verdict verdict = Verdict::undecided;
  /// If undecided: prompts in all with which a true gain of the size that was seen (or of min_gain
  /// if that is larger) is found four times in five, and that keep the level of the test.
  /// std::nullopt if no gain was seen, as no number of prompts would show one then.
  std::optional<std::size_t> needed_prompts;
  std::uint64_t tokens = 0;
};

/// Compares two candidates on the prompts that the table knows of both, at least 2. Throws
/// Error(input) for fewer.
Comparison compare(const ScoreTable& table, std::size_t candidate, std::size_t baseline,
                   std::uint64_t seed);

/// Compares the chosen candidate once with the baseline, on a table whose prompts chose nothing. As
/// it makes one test at 5 %, a gain is claimed where there is none at most one time in twenty.
/// Throws Error(usage) for a budget that does not reach two prompts.
Confirmation confirm(ScoreTable& table, std::size_t chosen, const ConfirmationOptions& options);

}  // namespace expo
