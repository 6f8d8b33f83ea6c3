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
};

/// Summarises at least one value.
Summary summarize(std::span<const double> values);

/// The number of prompts with which a paired comparison finds a true `gain` (above 0) four times in
/// five, tested one-sided at 5 %: ((z₀.₉₅ + z₀.₈) · deviation / gain)², rounded up, at least 2.
/// `deviation` is that of the differences of prompt means. Cohen, "Statistical Power Analysis for
/// the Behavioral Sciences" (1988), chapter 2.
std::size_t needed_prompts(double deviation, double gain);

}  // namespace expo
