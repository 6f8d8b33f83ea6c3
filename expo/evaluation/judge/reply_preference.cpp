#include "expo/evaluation/judge/reply_preference.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "expo/core/text.h"

namespace expo {
namespace {

/// The last of the entries for a token counts, as in a Python dict.
std::optional<double> log_prob_of(const std::vector<WeighedToken>& weighed,
                                  std::string_view token) {
  const auto last = std::find_if(weighed.rbegin(), weighed.rend(),
                                 [&](const WeighedToken& one) { return one.token == token; });
  return last == weighed.rend() ? std::nullopt : std::optional(last->log_prob);
}

std::string listed(const std::vector<WeighedToken>& weighed) {
  if (weighed.empty()) return "nothing";
  std::string text;
  for (const WeighedToken& one : weighed)
    text += fmt::format("{}\"{}\"", text.empty() ? "" : ", ", on_one_line(one.token));
  return text;
}

/// log(exp(a) + exp(b)).
double log_sum(double a, double b) {
  const double largest = std::max(a, b);
  if (std::isinf(largest)) return largest;
  return largest + std::log(std::exp(a - largest) + std::exp(b - largest));
}

Verdict preference_of(const std::vector<WeighedToken>& weighed, bool switched) {
  const auto first = log_prob_of(weighed, "m");
  const auto second = log_prob_of(weighed, "M");
  if (!first && !second)
    return {.failure = fmt::format("the judge weighed neither m nor M, but {}", listed(weighed))};
  constexpr double kAbsent = -std::numeric_limits<double>::infinity();
  const double m = first.value_or(kAbsent);
  const double other = second.value_or(kAbsent);
  if (std::isnan(m) || std::isnan(other))
    return {.failure = "the log-probability of a letter is not a number"};
  const double preference = 2 - std::exp(m - log_sum(m, other));
  if (std::isnan(preference))
    return {.failure = fmt::format("log-probabilities of {} for m and {} for M give no preference",
                                   m, other)};
  return {.preference = switched ? 3 - preference : preference};
}

}  // namespace

Verdict preference_of_reply(const ChatReply& reply, bool switched) {
  if (!reply.failure.empty()) return {.failure = reply.failure};
  if (!reply.weighed) return {.failure = "the answer came without log-probabilities"};
  if (reply.weighed->size() != 1)
    return {.failure = fmt::format("the answer has {}; expected one",
                                   counted(reply.weighed->size(), "token"))};
  return preference_of(reply.weighed->front(), switched);
}

}  // namespace expo
