#pragma once

#include <string_view>
#include <vector>

namespace expo {

/// The true mean score as a function of α, in a simulation.
class Truth {
 public:
  virtual ~Truth() = default;
  virtual double mean(double alpha) const = 0;
  /// The best mean for α in [0, most].
  double best(double most) const;
};

/// The truth of a name: one-peak, two-peaks, flat, falling, cliff, peak-at-0.1, peak-at-25, and
/// between, a narrow peak at 2.8. All are
/// proportions between 0.02 and 0.98 and lie near those of a real model: 0.32 at α = −1, 0.48 at 0,
/// gains of about 0.09. Throws Error(usage) for another
/// name. The object lives as long as the program.
const Truth& truth_named(std::string_view name);
std::vector<std::string_view> truth_names();

}  // namespace expo
