#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace expo {

/// The metrics that an objective declares, each summed over examples, to be divided by the sum of
/// the examples' weights. Only declared names can be added, and every one of them for every
/// example, so that no metric is lost between an objective and the log. Not thread-safe.
class MetricSums {
 public:
  /// The names have to outlive it.
  explicit MetricSums(std::span<const std::string_view> names);

  /// Adds what one example gives. Throws std::logic_error for a name that was not declared, and for
  /// one that was added for this example already.
  void add(std::string_view name, double value);
  /// To be called after each example. Throws std::logic_error where a declared metric is missing.
  void end_example();

  std::span<const std::string_view> names() const { return names_; }
  /// In the order of names().
  std::span<const double> sums() const { return sums_; }

 private:
  std::span<const std::string_view> names_;
  std::vector<double> sums_;
  std::vector<bool> added_;  ///< for the example at hand
};

}  // namespace expo
