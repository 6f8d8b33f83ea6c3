#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace expo {

/// The metrics that an objective declares, each summed over examples, to be divided by the sum of
/// the examples' weights. Only declared names can be added, and every one of them must be added for
/// every example, so that no metric is lost between an objective and the log. Not thread-safe.
class MetricSums {
 public:
  /// The names must outlive it.
  explicit MetricSums(std::span<const std::string_view> names);

  /// Adds the contribution of one example. Throws std::logic_error for a name that was not declared
  /// or was already added for this example.
  void add(std::string_view name, double value);
  /// Must be called after each example. Throws std::logic_error if a declared metric is missing.
  void end_example();

  std::span<const std::string_view> names() const { return names_; }
  /// The sums, in the order of names().
  std::span<const double> sums() const { return sums_; }

 private:
  std::span<const std::string_view> names_;
  std::vector<double> sums_;
  std::vector<bool> added_;  ///< for the current example
};

}  // namespace expo
