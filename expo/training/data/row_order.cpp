#include "expo/training/data/row_order.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "expo/core/philox.h"

namespace expo {
namespace {

constexpr std::uint64_t kFractionStream = std::uint64_t{1} << 63;

}  // namespace

/// Shuffles by the Fisher–Yates algorithm.
std::vector<std::int64_t> shuffled(std::int64_t count, std::uint64_t seed, std::uint64_t stream) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  const RandomStream random(seed, stream);
  for (std::size_t i = order.size(); i-- > 1;) {
    const double unit = random.unit_interval(i);
    const auto other = static_cast<std::size_t>(unit * static_cast<double>(i + 1));
    std::swap(order[i], order[other]);
  }
  return order;
}

std::vector<std::int64_t> rows_of_fraction(std::int64_t count, double fraction,
                                           std::uint64_t seed) {
  std::vector<std::int64_t> order = shuffled(count, seed, kFractionStream);
  // 0.1 · 30 is 3.0000000000000004 in float64, whose ceiling would be one row too many.
  const double exact = fraction * static_cast<double>(count);
  const auto kept = static_cast<std::int64_t>(std::ceil(exact - 1e-9 * exact));
  order.resize(static_cast<std::size_t>(std::clamp<std::int64_t>(kept, 1, count)));
  std::ranges::sort(order);
  return order;
}

}  // namespace expo
