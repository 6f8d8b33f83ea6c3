#include "expo/search/statistics/sign_flip.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <iterator>
#include <limits>
#include <optional>

#include "expo/core/error.h"
#include "expo/core/philox.h"
#include "expo/search/statistics/distributions.h"

namespace expo {
namespace {

constexpr std::size_t kEnumerated = 13;  // differences; 8,192 flips, about as many as are drawn
constexpr double kSlack = 1e-10;         // relative

double largest_magnitude(std::span<const double> values) {
  double largest = 0;
  for (const double value : values) largest = std::max(largest, std::abs(value));
  return largest;
}

/// The differences as multiples of one unit, if they are such: means of up to 16 scores of 0 or 1
/// are multiples of 1/k.
std::optional<std::vector<int>> on_a_lattice(std::span<const double> values) {
  constexpr int kFinest = 16;
  constexpr double kWidest = 64;
  for (int parts = 1; parts <= kFinest; ++parts) {
    std::vector<int> multiples;
    for (const double value : values) {
      const double multiple = value * parts;
      const double rounded = std::nearbyint(multiple);
      const bool vanishes = rounded == 0 && value != 0;
      if (vanishes || std::abs(rounded) > kWidest || std::abs(multiple - rounded) > 1e-9) break;
      multiples.push_back(static_cast<int>(rounded));
    }
    if (multiples.size() == values.size()) return multiples;
  }
  return std::nullopt;
}

/// P(sum of randomly signed magnitudes ≥ observed sum), by convolution over all sums.
double convolved_p_value(std::span<const int> multiples) {
  std::size_t reach = 0;
  long observed = 0;
  for (const int value : multiples) {
    reach += static_cast<std::size_t>(std::abs(value));
    observed += value;
  }
  std::vector<double> chance(2 * reach + 1, 0.0);
  chance[reach] = 1;
  std::vector<double> next(chance.size());
  for (const int value : multiples) {
    const auto step = static_cast<std::size_t>(std::abs(value));
    if (step == 0) continue;
    std::fill(next.begin(), next.end(), 0.0);
    for (std::size_t at = 0; at < chance.size(); ++at) {
      if (chance[at] == 0) continue;
      next[at - step] += chance[at] / 2;
      next[at + step] += chance[at] / 2;
    }
    chance.swap(next);
  }
  double tail = 0;
  for (auto at = static_cast<std::size_t>(observed + static_cast<long>(reach)); at < chance.size();
       ++at) {
    tail += chance[at];
  }
  return std::min(tail, 1.0);
}

/// Whether all differences that are not 0 have one magnitude.
bool has_one_magnitude(std::span<const int> multiples) {
  int magnitude = 0;
  for (const int value : multiples) {
    if (value == 0) continue;
    if (magnitude != 0 && std::abs(value) != magnitude) return false;
    magnitude = std::abs(value);
  }
  return true;
}

double sign_test_of(std::span<const int> multiples) {
  const auto positive =
      std::count_if(multiples.begin(), multiples.end(), [](int v) { return v > 0; });
  const auto zero = std::count(multiples.begin(), multiples.end(), 0);
  return sign_test(static_cast<std::size_t>(positive),
                   multiples.size() - static_cast<std::size_t>(zero));
}

std::vector<double> all_subset_means(std::span<const double> values) {
  std::vector<double> means;
  const std::uint32_t end = std::uint32_t{1} << values.size();
  for (std::uint32_t subset = 1; subset < end; ++subset) {
    double sum = 0;
    for (std::uint32_t rest = subset; rest != 0; rest &= rest - 1)
      sum += values[static_cast<std::size_t>(std::countr_zero(rest))];
    means.push_back(sum / std::popcount(subset));
  }
  return means;
}

/// The sum and the number of those of up to 64 values that the bits of a word select.
void add_selected(std::span<const double> values, std::uint64_t bits, double& sum, int& count) {
  if (values.size() < 64) bits &= (std::uint64_t{1} << values.size()) - 1;
  count += std::popcount(bits);
  for (; bits != 0; bits &= bits - 1)
    sum += values[static_cast<std::size_t>(std::countr_zero(bits))];
}

/// The mean of a random subset; std::nullopt for the empty one, which is the identity among flips.
std::optional<double> random_subset_mean(std::span<const double> values, const RandomStream& bits) {
  double sum = 0;
  int count = 0;
  for (std::size_t start = 0; start < values.size(); start += 128) {
    const auto block = bits.block(start / 128);
    for (std::size_t half = 0; half < 2 && start + half * 64 < values.size(); ++half) {
      const std::size_t first = start + half * 64;
      const std::uint64_t word = block[2 * half] | std::uint64_t{block[2 * half + 1]} << 32;
      add_selected(values.subspan(first, std::min<std::size_t>(64, values.size() - first)), word,
                   sum, count);
    }
  }
  if (count == 0) return std::nullopt;
  return sum / count;
}

}  // namespace

SignFlipTest::SignFlipTest(std::span<const double> differences, std::uint64_t seed,
                           std::size_t draws) {
  if (differences.empty()) throw usage_error("SignFlipTest: found no difference");
  slack_ = kSlack * largest_magnitude(differences);
  if (differences.size() <= kEnumerated) {
    subset_means_ = all_subset_means(differences);
    draws_ = static_cast<double>(subset_means_.size()) + 1;
    method_ = FlipMethod::enumeration;
  } else {
    for (std::size_t draw = 0; draw < draws; ++draw) {
      const auto mean = random_subset_mean(differences, RandomStream(seed, draw));
      subset_means_.push_back(mean.value_or(-std::numeric_limits<double>::infinity()));
    }
    draws_ = static_cast<double>(draws) + 1;
  }
  std::sort(subset_means_.begin(), subset_means_.end());
  p_value_ = p_value_at(0);
  if (const auto multiples = on_a_lattice(differences)) {
    const bool one = has_one_magnitude(*multiples);
    method_ = one ? FlipMethod::sign_test : FlipMethod::lattice;
    std::vector<int> mirrored;
    for (const int value : *multiples) mirrored.push_back(-value);
    p_value_ = one ? sign_test_of(*multiples) : convolved_p_value(*multiples);
    mirrored_p_ = one ? sign_test_of(mirrored) : convolved_p_value(mirrored);
  }
}

double SignFlipTest::p_value_at(double centre) const {
  const auto end = std::upper_bound(subset_means_.begin(), subset_means_.end(), centre + slack_);
  return (1 + static_cast<double>(end - subset_means_.begin())) / draws_;
}

std::pair<double, double> SignFlipTest::interval(double confidence) const {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  // A centre is rejected from below if 1 + (subset means ≤ centre) is at most this number of flips.
  const double rejected = std::floor((1 - confidence) / 2 * draws_ + 1e-9);
  if (rejected < 1) return {-kInfinity, kInfinity};
  const auto rank = static_cast<std::size_t>(rejected) - 1;
  const double low = subset_means_[rank];
  const double high = subset_means_[subset_means_.size() - 1 - rank];
  const bool is_exact = method_ == FlipMethod::sign_test || method_ == FlipMethod::lattice;
  if (!is_exact) return {low, high};
  const double tail = (1 - confidence) / 2 + 1e-12;
  return {lower_bound(tail, low), upper_bound(tail, high)};
}

/// The bound that agrees with the exact test at 0, whose next value is the next subset mean.
double SignFlipTest::lower_bound(double tail, double bound) const {
  if (p_value_ > tail) return std::min(bound, 0.0);
  const auto above = std::upper_bound(subset_means_.begin(), subset_means_.end(), slack_);
  return above == subset_means_.end() ? bound : std::max(bound, *above);
}

double SignFlipTest::upper_bound(double tail, double bound) const {
  if (mirrored_p_ > tail) return std::max(bound, 0.0);
  const auto end = std::lower_bound(subset_means_.begin(), subset_means_.end(), -slack_);
  return end == subset_means_.begin() ? bound : std::min(bound, *std::prev(end));
}

}  // namespace expo
