#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/json.h"
#include "expo/core/progress.h"
#include "expo/extrapolation/kernel/tensor_delta.h"
#include "expo/extrapolation/plan/plan.h"
#include "expo/extrapolation/plan/rounding_choice.h"

namespace expo {

/// What was asked of rounding, and what is done.
struct RoundingDecision {
  RoundingChoice choice = RoundingChoice::automatic;
  Rounding used = Rounding::nearest;
  std::uint64_t seed = 0;  ///< of stochastic rounding
  /// RoundingChoice::automatic: what was asked for (asked_alpha()) and the effective α that nearest
  /// gives; absent where nothing was compared.
  std::optional<double> asked_alpha = {};
  std::optional<double> nearest_alpha = {};
  bool sampled = true;  ///< nearest_alpha was estimated from a sample

  /// Whether nearest, chosen by the sample, does not keep α on the whole, of which these are the
  /// sums. Stochastic rounding is then what should have been chosen, and what this becomes.
  bool overruled_by(const std::vector<TensorDelta>& deltas);
};

/// What a decision about rounding starts from.
struct RoundingRequest {
  RoundingChoice choice = RoundingChoice::automatic;
  std::uint64_t seed = 0;
  unsigned threads = 0;  ///< 0: available_threads()
  /// False where the output cannot be rounded stochastically: `automatic` is then nearest.
  bool allows_stochastic = true;
};

/// Decides how the values of a plan are rounded. For RoundingChoice::automatic it reads a sample,
/// about one value in 64 and at least some of every tensor, and takes nearest where keeps_alpha()
/// holds for its effective α. The decision depends on the weights and the plan alone: not on the
/// number of threads. Memory: about 6 bytes for every thousand elements. `sft` may be null for a
/// plan without counterparts. Throws Error: input (a file was cut short), interrupted.
RoundingDecision decide_rounding(const Checkpoint* sft, const Checkpoint& aligned, const Plan& plan,
                                 const RoundingRequest& request,
                                 const CancellationToken& cancellation);

/// One line with the asked α and what nearest would make of it, where `automatic` came to
/// stochastic rounding; empty otherwise.
std::string describe(const RoundingDecision& decision);

/// {"choice": "auto", "used": "stochastic", "seed": 0, "nearest_effective_alpha": … or null}
Json to_json(const RoundingDecision& decision);

}  // namespace expo
