#include "expo/search/confirmation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "expo/core/error.h"
#include "expo/search/spending.h"
#include "expo/search/statistics/distributions.h"
#include "expo/search/statistics/sign_flip.h"

namespace expo {
namespace {

constexpr double kLevel = 0.05;

/// All that is compared, each once.
std::vector<std::size_t> contestants(std::size_t chosen, const ConfirmationOptions& options) {
  std::vector<std::size_t> all{options.baseline, chosen};
  if (options.aligned && options.control) {
    all.push_back(*options.aligned);
    all.push_back(*options.control);
  }
  if (options.guarded_by) all.push_back(*options.guarded_by);
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

constexpr std::size_t kFewest = 50;      // differences for a claim without an exact test
constexpr std::size_t kFewestSeen = 20;  // of them that are not 0, for a bound

/// How many differences tell of the tails. Zeros do not: where few prompts differ, a long tail may
/// not have been seen yet, unless the differences are bounded, as steps of one unit are.
std::size_t telling(const Comparison& gain) {
  return gain.method == FlipMethod::lattice ? gain.difference.count : gain.better + gain.worse;
}

/// Whether there are enough differences for a claim about the side on which `skewness` is positive.
bool keeps_level(const Comparison& gain, double skewness) {
  return telling(gain) >= kFewest && gain.difference.count >= prompts_for_skewness(skewness);
}

/// The number of prompts of which enough tell of the tails.
std::size_t prompts_for_tails(const Comparison& gain) {
  const std::size_t enough = kFewest * gain.difference.count;
  return gain.method == FlipMethod::sign_test ? 0
                                              : enough / std::max<std::size_t>(telling(gain), 1);
}

bool shows_gain(const Comparison& gain) {
  return gain.p <= kLevel &&
         (gain.method == FlipMethod::sign_test || keeps_level(gain, -gain.difference.skewness));
}

/// An upper bound of the gain where all differences that are not 0 have one magnitude: from the
/// shares of better and of worse prompts, each bounded with half of the error. The flips know only
/// differences that occurred.
double exact_upper_bound(const Comparison& gain) {
  if (gain.largest == 0) return std::numeric_limits<double>::infinity();
  const std::size_t count = gain.difference.count;
  const double most_better = binomial_upper(gain.better, count, kLevel / 2);
  const double least_worse = 1 - binomial_upper(count - gain.worse, count, kLevel / 2);
  return gain.largest * (most_better - least_worse);
}

bool rules_out(const Comparison& gain, double least) {
  if (gain.interval.second >= least) return false;
  if (gain.method == FlipMethod::sign_test) return exact_upper_bound(gain) < least;
  return gain.better + gain.worse >= kFewestSeen && keeps_level(gain, gain.difference.skewness);
}

/// More prompts than there are: those decided nothing.
std::optional<std::size_t> prompts_that_decide(const Comparison& gain, double min_gain) {
  const Summary& difference = gain.difference;
  const double sought = std::max(difference.mean, min_gain);
  if (sought <= 0 || difference.deviation == 0) return std::nullopt;
  return std::max({needed_prompts(difference.deviation, sought),
                   prompts_for_skewness(std::abs(difference.skewness)), prompts_for_tails(gain),
                   difference.count + difference.count / 4 + 1});
}

void judge(const Comparison& gain, const ConfirmationOptions& options, Confirmation& result) {
  if (rules_out(gain, options.min_gain)) {
    result.verdict = Verdict::no_worthwhile_gain;
  } else if (shows_gain(gain)) {
    result.verdict = Verdict::gain;
  } else {
    result.needed_prompts = prompts_that_decide(gain, options.min_gain);
  }
}

}  // namespace

std::string_view verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::gain:
      return "gain";
    case Verdict::no_worthwhile_gain:
      return "no-worthwhile-gain";
    case Verdict::undecided:
      break;
  }
  return "undecided";
}

Comparison compare(const ScoreTable& table, std::size_t candidate, std::size_t baseline,
                   std::uint64_t seed) {
  const auto scores = table.prompt_means(candidate);
  const auto others = table.prompt_means(baseline);
  const std::vector<double> differences = paired_differences(scores, others);
  if (differences.size() < 2) {
    throw input_error(
        fmt::format("{} prompts are left to compare {} with {}; expected at least 2: "
                    "give more prompts or more tokens",
                    differences.size(), table.candidates()[candidate].label,
                    table.candidates()[baseline].label));
  }
  const SignFlipTest test(differences, seed);
  Comparison result;
  result.difference = summarize(differences);
  for (const double difference : differences) {
    result.better += difference > 0 ? 1 : 0;
    result.worse += difference < 0 ? 1 : 0;
    result.largest = std::max(result.largest, std::abs(difference));
  }
  result.p = test.p_value();
  result.method = test.method();
  result.interval = test.interval(0.9);
  result.wide_interval = test.interval(0.95);
  result.at_equal_length =
      gain_at_equal_length(differences, paired_differences(scores, others, &PromptScore::length));
  return result;
}

Confirmation confirm(ScoreTable& table, std::size_t chosen, const ConfirmationOptions& options) {
  Spending spending(table, options.tokens, options.budget_part);
  spending.extend(contestants(chosen, options), table.rows());
  Confirmation result;
  result.tokens = spending.spent();
  if (options.aligned && options.control) {
    result.training = compare(table, *options.aligned, *options.control, options.seed);
  }
  if (chosen == options.baseline) {
    result.verdict = Verdict::no_worthwhile_gain;
    return result;
  }
  result.gain = compare(table, chosen, options.baseline, options.seed);
  judge(*result.gain, options, result);
  return result;
}

}  // namespace expo
