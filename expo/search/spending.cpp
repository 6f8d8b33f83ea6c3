#include "expo/search/spending.h"

#include <algorithm>
#include <limits>

namespace expo {

double Spending::left() const {
  if (!budget_) return std::numeric_limits<double>::infinity();
  return static_cast<double>(*budget_) - static_cast<double>(spent());
}

double Spending::price(std::span<const std::size_t> candidates, std::size_t end) const {
  double total = 0;
  for (const std::size_t candidate : candidates) {
    const std::size_t known = table_.of(candidate).size();
    if (known >= end) continue;
    total += table_.expected_tokens(candidate).value_or(0) * static_cast<double>(end - known);
  }
  return total;
}

std::size_t Spending::affordable(std::span<const std::size_t> candidates, std::size_t end,
                                 double tokens) const {
  std::size_t low = 0;
  while (low < end) {
    const std::size_t middle = low + (end - low + 1) / 2;
    if (price(candidates, middle) <= tokens) {
      low = middle;
    } else {
      end = middle - 1;
    }
  }
  return low;
}

bool Spending::extend(std::span<const std::size_t> candidates, std::size_t end) {
  constexpr double kAtOnce = 0.8;  // of what is left
  constexpr std::size_t kProbe = 2;
  end = std::min(end, table_.rows());
  if (!table_.expected_tokens(0) && budget_) {
    table_.ask(candidates, std::min(kProbe, end));
  }
  while (price(candidates, end) > kAtOnce * left()) {
    const auto shortest = [&] {
      std::size_t least = end;
      for (const std::size_t each : candidates) least = std::min(least, table_.of(each).size());
      return least;
    };
    const std::size_t before = shortest();
    if (before >= end) return true;
    const std::size_t some = affordable(candidates, end, kAtOnce * left());
    const std::size_t next = some > before ? some : affordable(candidates, end, left());
    if (next <= before) return false;
    table_.ask(candidates, next);
  }
  table_.ask(candidates, end);
  return true;
}

}  // namespace expo
