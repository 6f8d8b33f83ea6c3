#include "expo/search/spending.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "expo/core/error.h"
#include "expo/core/text.h"

namespace expo {
namespace {

constexpr std::size_t kProbe = 2;
constexpr double kMargin = 2;  // standard deviations
constexpr double kSafe = 6;
constexpr double kDoubt = -1;  // in favour of a budget that may do
constexpr std::size_t kGrowth = 3;

}  // namespace

double Spending::left() const {
  if (!budget_) return std::numeric_limits<double>::infinity();
  return static_cast<double>(*budget_) - static_cast<double>(spent());
}

double Spending::price(std::span<const std::size_t> candidates, std::size_t end,
                       double margin) const {
  double total = 0;
  double own = 0;
  double rows = 0;
  std::size_t known = 1;
  std::size_t fresh = 0;
  for (const std::size_t candidate : candidates) {
    const std::size_t had = table_.of(candidate).size();
    known = std::max(known, had);
    if (had >= end) continue;
    fresh = std::max(fresh, end - had);
    const auto missing = static_cast<double>(end - had);
    const auto prepaid = static_cast<double>(table_.prepaid(candidate));
    const double expected = table_.expected_tokens(candidate).value_or(0);
    total += std::max(0.0, expected * missing - prepaid);
    own += std::max(0.0, table_.own_tokens(candidate).value_or(expected) * missing - prepaid);
    rows += missing;
  }
  if (fresh == 0) return 0;
  // A prompt with long answers has them at all candidates, so their prices err together, both
  // those that are to come and those that the expectation stands on.
  const double error = 1 / static_cast<double>(known) + 1 / static_cast<double>(fresh);
  const double price = total + margin * table_.token_deviation() * rows * std::sqrt(error);
  // The others say too little of a few whose answers do not end.
  return margin > 0 ? std::max(price, own) : price;
}

std::size_t Spending::affordable(std::span<const std::size_t> candidates, double tokens,
                                 double margin) const {
  std::size_t low = 0;
  std::size_t high = table_.rows();
  while (low < high) {
    const std::size_t middle = high - (high - low) / 2;
    if (price(candidates, middle, margin) <= tokens) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

bool Spending::fits(std::span<const std::size_t> candidates, std::size_t end) const {
  const auto most = table_.most_tokens(candidates, end);
  return most && *most <= left();
}

/// Asks for the first rows of candidates that lack them: all at once if they fit in any case, else
/// one after the other as long as all that are missing might fit. Returns whether all have theirs.
bool Spending::probe(std::span<const std::size_t> candidates, std::size_t end, bool must_reach) {
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const auto one = candidates.subspan(i, 1);
    while (table_.of(one.front()).size() < end) {
      if (fits(candidates, end)) {
        table_.ask(candidates, end);
        return true;
      }
      const bool is_hopeless =
          table_.tokens() > 0 && (left() <= 0 || price(candidates, end, kDoubt) > left());
      if (is_hopeless && must_reach) refuse(candidates, end);
      if (is_hopeless) return false;
      table_.ask(one, fits(one, end) ? end : table_.of(one.front()).size() + 1);
    }
  }
  return true;
}

double Spending::needed(std::span<const std::size_t> candidates, std::size_t end) const {
  double dearest = 0;
  double fresh = 0;
  for (const std::size_t candidate : candidates) {
    const auto rows = table_.of(candidate);
    for (const PromptScore& row : rows) dearest = std::max(dearest, row.tokens);
    fresh += static_cast<double>(end - std::min(end, rows.size()));
  }
  const double expected = price(candidates, end, kMargin);
  return static_cast<double>(spent()) + std::max(expected, fresh * dearest);
}

void Spending::refuse(std::span<const std::size_t> candidates, std::size_t end) const {
  const auto whole = [&](double tokens) {
    const double sum = std::ceil((static_cast<double>(part_.before) + tokens) / part_.end);
    return std::max(static_cast<std::uint64_t>(sum), part_.whole.value_or(*budget_) + 1);
  };
  const std::uint64_t enough = whole(needed(candidates, end));
  const auto most = table_.most_tokens(candidates, end);
  const std::uint64_t certain = whole(static_cast<double>(spent()) + most.value_or(0));
  throw usage_error(fmt::format(
      "--token-budget {}: is too small: {} at each of {} take about {} tokens, judged by the first "
      "answers, of the {} that are meant for them; give at least {}{}{}",
      part_.whole.value_or(*budget_), counted(end, "prompt"), counted(candidates.size(), "model"),
      std::llround(static_cast<double>(spent()) + price(candidates, end, 0)), *budget_, enough,
      certain > enough ? fmt::format(" ({} do if no answer ends before its limit)", certain) : "",
      part_.before == 0 ? ", or fewer α" : ""));
}

bool Spending::extend(std::span<const std::size_t> candidates, std::size_t end) {
  end = std::min(end, table_.rows());
  if (budget_) {
    const bool is_first = before_ == 0 && !is_probed_ && candidates.size() > 1;
    is_probed_ = is_probed_ || is_first;
    if (!probe(candidates, std::min(kProbe, end), is_first)) return false;
  }
  const auto fewest = [&] {
    std::size_t least = end;
    for (const std::size_t each : candidates) least = std::min(least, table_.of(each).size());
    return least;
  };
  for (std::size_t before = fewest(); before < end; before = fewest()) {
    std::size_t next = std::min(end, affordable(candidates, left(), kMargin));
    // What a few rows cost says little, so a demand that may end the budget grows step by step.
    if (price(candidates, end, kSafe) > left()) next = std::min(next, kGrowth * (before + 1));
    if (next <= before) return false;
    table_.ask(candidates, next);
  }
  return true;
}

}  // namespace expo
