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
  double rows = 0;
  std::size_t known = 1;
  std::size_t fresh = 0;
  for (const std::size_t candidate : candidates) {
    const std::size_t had = table_.of(candidate).size();
    known = std::max(known, had);
    if (had >= end) continue;
    fresh = std::max(fresh, end - had);
    total += table_.expected_tokens(candidate).value_or(0) * static_cast<double>(end - had);
    rows += static_cast<double>(end - had);
  }
  if (fresh == 0) return 0;
  // A prompt with long answers has them at all candidates, so their prices err together, both
  // those that are to come and those that the expectation stands on.
  const double error = 1 / static_cast<double>(known) + 1 / static_cast<double>(fresh);
  return total + margin * table_.token_deviation() * rows * std::sqrt(error);
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

/// Asks for the first rows, of one candidate after the other as long as all that are missing might
/// not fit.
void Spending::probe(std::span<const std::size_t> candidates, std::size_t end) {
  for (std::size_t done = 0; done < candidates.size();) {
    const bool is_first = table_.tokens() == 0;
    const bool is_missing = !is_first && price(candidates, end, 0) > 0;
    if (is_missing && (left() <= 0 || price(candidates, end, kDoubt) > left()))
      refuse(candidates, end);
    const bool fit = !is_first && price(candidates, end, kSafe) <= left();
    const std::size_t next = fit ? candidates.size() : done + 1;
    table_.ask(candidates.first(next), end);
    done = next;
  }
}

void Spending::refuse(std::span<const std::size_t> candidates, std::size_t end) const {
  const double needed = static_cast<double>(spent()) + price(candidates, end, kMargin);
  const double whole = std::ceil((static_cast<double>(part_.before) + needed) / part_.end);
  throw usage_error(fmt::format(
      "--token-budget {}: is too small: {} at each of {} take about {} tokens, judged by the first "
      "answers, of the {} that are meant for them; give at least {}{}",
      part_.whole.value_or(*budget_), counted(end, "prompt"), counted(candidates.size(), "model"),
      std::llround(static_cast<double>(spent()) + price(candidates, end, 0)), *budget_,
      std::max(static_cast<std::uint64_t>(whole), part_.whole.value_or(*budget_) + 1),
      part_.before == 0 ? ", or fewer α" : ""));
}

bool Spending::extend(std::span<const std::size_t> candidates, std::size_t end) {
  end = std::min(end, table_.rows());
  const bool is_many = candidates.size() > 1;
  if (budget_ && before_ == 0 && (table_.tokens() == 0 || (is_many && !is_probed_))) {
    is_probed_ = is_many;
    probe(candidates, std::min(kProbe, end));
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
