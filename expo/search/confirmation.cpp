#include "expo/search/confirmation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "expo/core/error.h"
#include "expo/search/spending.h"
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
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

/// Whether there are enough differences for a claim about the side on which `skewness` is positive.
bool keeps_level(const Comparison& gain, double skewness) {
  return gain.method == FlipMethod::sign_test ||
         gain.difference.count >= prompts_for_skewness(skewness);
}

void judge(const Comparison& gain, const ConfirmationOptions& options, Confirmation& result) {
  const double skewness = gain.difference.skewness;
  if (gain.p <= kLevel && keeps_level(gain, -skewness)) {
    result.verdict = Verdict::gain;
  } else if (gain.interval.second < options.min_gain && keeps_level(gain, skewness)) {
    result.verdict = Verdict::no_worthwhile_gain;
  } else if (const double sought = std::max(gain.difference.mean, options.min_gain); sought > 0) {
    result.needed_prompts = std::max(needed_prompts(gain.difference.deviation, sought),
                                     prompts_for_skewness(std::abs(skewness)));
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
  result.p = test.p_value();
  result.method = test.method();
  result.interval = test.interval(0.9);
  result.wide_interval = test.interval(0.95);
  result.at_equal_length =
      gain_at_equal_length(differences, paired_differences(scores, others, &PromptScore::length));
  return result;
}

Confirmation confirm(ScoreTable& table, std::size_t chosen, const ConfirmationOptions& options) {
  Spending spending(table, options.tokens);
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
