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

/// What all ranks together found of some examples.
struct Evaluation {
  std::map<std::string, double> metrics;  ///< means over the examples, under the objective's names
  std::int64_t tokens = 0;                ///< of all rows, on all ranks
  std::string failure;                    ///< empty, or what is not a number, and in which row
};

/// What an objective says of the examples that one rank sends through the model, pass by pass. Not
/// thread-safe.
class Judgement {
 public:
  /// The objective must outlive it.
  explicit Judgement(const Objective& objective);

  /// Judges one pass: `values` of all rows of the examples, and how many tokens each sums over.
  /// Returns the derivatives of the summed losses by the values.
  std::vector<double> add(std::span<const Example* const> examples, std::span<const double> values,
                          std::span<const std::int64_t> counts);
  /// Whether something was not a number.
  bool failed() const { return !failure_.empty(); }
  /// Called by all ranks: their sums over `weight`, that of all examples of all ranks.
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
