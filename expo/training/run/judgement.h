#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "expo/training/data/example.h"
#include "expo/training/loss/objective.h"
#include "expo/training/ranks/group.h"

namespace expo {

/// The result of an evaluation of examples on all ranks.
struct Evaluation {
  std::map<std::string, double> metrics;  ///< means over the examples, by the objective's names
  std::int64_t tokens = 0;                ///< tokens of all rows, on all ranks
  std::string failure;  ///< empty, or a text that says what is not a number, in which row
};

/// Applies an objective to the examples that one rank sends through the model, pass by pass. Not
/// thread-safe.
class Judgement {
 public:
  /// The objective must outlive it.
  explicit Judgement(const Objective& objective);

  /// Adds one pass: the `values` of all rows of the examples, and the number of tokens that each
  /// sums over. Returns the derivatives of the summed losses with respect to the values.
  std::vector<double> add(std::span<const Example* const> examples, std::span<const double> values,
                          std::span<const std::int64_t> counts);
  /// Whether something was not a number.
  bool failed() const { return !failure_.empty(); }
  /// Returns the sums of all ranks divided by `weight`, the total weight of the examples of all
  /// ranks. All ranks must call it.
  Evaluation combine(RankGroup& ranks, double weight) const;

 private:
  void note_failure(const Example& example, std::span<const double> values,
                    std::span<const double> gradients);

  const Objective& objective_;
  MetricSums sums_;
  std::int64_t tokens_ = 0;
  std::string failure_;
};

}  // namespace expo
