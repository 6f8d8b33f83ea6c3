#include "expo/cli/text/judge_text.h"

#include <fmt/format.h>

#include "expo/core/text.h"
#include "expo/search/run/estimate.h"

namespace expo {
namespace {

Json to_json(const ChatUsage& usage) {
  return {{"prompt_tokens", usage.prompt_tokens}, {"completion_tokens", usage.completion_tokens}};
}

/// Cents, or as many digits as a smaller sum needs to be one.
std::string dollars(double sum) {
  return sum >= 0.1 || sum == 0 ? fmt::format("${:.2f}", sum) : fmt::format("${:.2g}", sum);
}

std::string tokens(const ChatUsage& usage) {
  return counted(usage.prompt_tokens + usage.completion_tokens, "token");
}

}  // namespace

std::string describe(const JudgeEstimate& estimate) {
  if (estimate.requests == 0) return "the judge is asked nothing: every preference is known";
  const std::string what = counted(estimate.requests, "row");
  if (!estimate.likely_cost)
    return fmt::format(
        "the judge is to be asked about {}: some {}, at most {}; what they cost is "
        "known with --prompt-price and --completion-price",
        what, tokens(estimate.likely), tokens(estimate.largest));
  return fmt::format("the judge is to be asked about {}: some {} for about {}, at most {} for {}",
                     what, tokens(estimate.likely), dollars(*estimate.likely_cost),
                     tokens(estimate.largest), dollars(*estimate.largest_cost));
}

std::string describe(const CostForecast& forecast) {
  const JudgeEstimate estimate = forecast.estimate();
  const auto costs = [](const std::optional<double>& sum) {
    return sum ? fmt::format(" for {}", dollars(*sum)) : "";
  };
  return fmt::format(
      "the judge is likely to be asked about some {} ({}{}), if answers take a quarter of "
      "--max-new-tokens, and at most about {} ({}{}); replies that are kept are not paid for "
      "again{}",
      counted(forecast.likely_requests(), "answer"), tokens(estimate.likely),
      costs(estimate.likely_cost), estimate.requests, tokens(estimate.largest),
      costs(estimate.largest_cost),
      estimate.likely_cost
          ? ""
          : "; what they cost is known with --prompt-price and --completion-price");
}

Json to_json(const JudgeEstimate& estimate) {
  return {{"requests", estimate.requests},
          {"likely", to_json(estimate.likely)},
          {"largest", to_json(estimate.largest)},
          {"likely_cost", number_or_null(estimate.likely_cost)},
          {"largest_cost", number_or_null(estimate.largest_cost)}};
}

std::string describe(const JudgeResult& result) {
  std::string text = fmt::format("of {}, {} judged now", counted(result.rows.size(), "row"),
                                 result.count(VerdictSource::reply));
  const auto add = [&](VerdictSource source, const char* what) {
    if (const std::uint64_t count = result.count(source); count > 0)
      text += fmt::format(", {} {}", count, what);
  };
  add(VerdictSource::cache, "by replies that were kept");
  add(VerdictSource::annotation, "by earlier annotations");
  add(VerdictSource::same_answers, "drawn as their answers are equal");
  add(VerdictSource::none, "without a preference");
  if (result.requests == 0) return text;
  text += fmt::format("; {}, {}", counted(result.requests, "request"), tokens(result.usage));
  if (result.cost) text += fmt::format(", at most {}", dollars(*result.cost));
  return text;
}

Json to_json(const JudgeResult& result) {
  return {{"asked", result.count(VerdictSource::reply)},
          {"cached", result.count(VerdictSource::cache)},
          {"reused", result.count(VerdictSource::annotation)},
          {"same_answers", result.count(VerdictSource::same_answers)},
          {"failed", result.count(VerdictSource::none)},
          {"requests", result.requests},
          {"prompt_tokens", result.usage.prompt_tokens},
          {"completion_tokens", result.usage.completion_tokens},
          {"cost", number_or_null(result.cost)}};
}

}  // namespace expo
