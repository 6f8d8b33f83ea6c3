#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "expo/core/progress.h"
#include "expo/training/data/example.h"
#include "expo/training/loss/objective.h"
#include "expo/training/model/row_pass.h"
#include "expo/training/ranks/group.h"
#include "expo/training/run/judgement.h"

namespace expo {

/// Limits of what goes through the model at once: as many examples as both allow, but at least one.
struct PassLimits {
  std::int64_t examples = 8;
  std::int64_t tokens = 1024;
};

std::vector<const TokenRow*> rows_of(std::span<const Example* const> examples);
double weight_of(const Objective& objective, std::span<const Example* const> examples);

/// Evaluates a model on examples, which the ranks divide among themselves; nothing is trained. Not
/// thread-safe; all ranks make the same calls.
class Evaluator {
 public:
  /// All arguments but the limits must outlive it.
  Evaluator(RowPass& rows, RankGroup& ranks, const PassLimits& limits,
            const CancellationToken& cancellation);

  /// Returns this rank's examples, in groups that go through the model together.
  std::vector<std::vector<const Example*>> passes(std::span<const Example* const> examples) const;
  /// Returns the values of the rows of these examples, in order: log-probabilities or rewards.
  std::vector<double> row_values(std::span<const Example* const> examples);
  Evaluation evaluate(const Objective& objective, std::span<const Example* const> examples);

 private:
  RowPass& rows_;
  RankGroup& ranks_;
  PassLimits limits_;
  const CancellationToken& cancellation_;
};

}  // namespace expo
