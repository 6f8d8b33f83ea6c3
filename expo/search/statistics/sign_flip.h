#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace expo {

/// How a p-value was computed.
enum class FlipMethod {
  sign_test,    ///< differences are 0 or ±c: the exact sign test on those that are not 0
  lattice,      ///< differences are small multiples of one unit: all 2ⁿ flips, by convolution
  enumeration,  ///< few differences: all 2ⁿ flips, one by one
  monte_carlo,  ///< random flips, the identity among them (the +1 correction)
};

/// The sign-flip test of paired differences, one per prompt, and the intervals that it implies.
///
/// Under the hypothesis that the differences are symmetric about `centre`, each d − centre may
/// change its sign. The statistic is the studentised mean; as flips keep the sum of squares, it
/// orders flips as their sum does. Exact under symmetry; without it right for large n, as the
/// statistic is studentised (Janssen 1997, "Studentized permutation tests for non-i.i.d.
/// hypotheses and the generalized Behrens-Fisher problem"). Random flips count the identity, so
/// that p is never 0 and the level is kept (Phipson & Smyth 2010, "Permutation p-values should
/// never be zero").
///
/// The test inverts in closed form: flips that change the signs of a set of differences give a sum
/// at least as large as the observed one just for centres that are not below the mean of this set.
/// So the bounds are order statistics of the means of random subsets, the "typical values" of
/// Hartigan 1969, "Using subsample values as typical values".
class SignFlipTest {
 public:
  static constexpr std::size_t kDraws = 9999;

  /// Takes at least one difference. Equal seeds give equal results.
  explicit SignFlipTest(std::span<const double> differences, std::uint64_t seed = 0,
                        std::size_t draws = kDraws);

  /// The one-sided p-value of "the mean is at most 0" against "it is larger".
  double p_value() const { return p_value_; }
  FlipMethod method() const { return method_; }

  /// The one-sided p-value of "the mean is at most `centre`", from the flips of the intervals (all
  /// of them, or random ones).
  double p_value_at(double centre) const;

  /// The two-sided interval with the given confidence, for example 0.9: all centres that neither of
  /// the one-sided tests rejects at (1 − confidence) / 2. A bound is infinite where there are too
  /// few differences for this confidence. It never contradicts p_value(): where that is computed
  /// exactly, a bound that random flips put on the other side of 0 moves to this side.
  std::pair<double, double> interval(double confidence) const;

 private:
  double lower_bound(double tail, double bound) const;
  double upper_bound(double tail, double bound) const;

  std::vector<double> subset_means_;  ///< of the flipped differences, sorted; without the empty set
  double draws_ = 0;                  ///< flips in all, with the identity
  double slack_ = 0;                  ///< sums that differ by rounding only are ties
  double p_value_ = 1;
  double mirrored_p_ = 1;  ///< of "the mean is at least 0", where p_value_ is exact
  FlipMethod method_ = FlipMethod::monte_carlo;
};

}  // namespace expo
