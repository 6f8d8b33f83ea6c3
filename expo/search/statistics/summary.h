#pragma once

#include <cstddef>
#include <span>

namespace expo {

/// Mean and spread of values, one per prompt.
struct Summary {
  std::size_t count = 0;
  double mean = 0;
  double deviation = 0;       ///< standard deviation with n − 1; 0 for a single value
  double standard_error = 0;  ///< deviation / √n
  double skewness = 0;        ///< third central moment / (second)^1.5; 0 if all values are equal
};

/// Summarises at least one value.
Summary summarize(std::span<const double> values);

/// The number of prompts with which a paired comparison finds a true `gain` (above 0) four times in
/// five, tested one-sided at 5 %: ((z₀.₉₅ + z₀.₈) · deviation / gain)², rounded up, at least 2.
/// `deviation` is that of the differences of prompt means. Cohen, "Statistical Power Analysis for
/// the Behavioral Sciences" (1988), chapter 2.
std::size_t needed_prompts(double deviation, double gain);

/// A one-sided test of a studentised mean at 5 % errs more often than that where the differences
/// have their long tail on the side that it would be wrong about: by about 0.11 · skewness / √n
/// (Johnson 1978, "Modified t tests and confidence intervals for asymmetrical populations").
/// Returns the number of prompts from which the excess is below two points, given the skewness
/// towards the tail (0 if that is not positive).
std::size_t prompts_for_skewness(double skewness);

}  // namespace expo
