#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "expo/checkpoint/checkpoint.h"
#include "expo/core/json.h"
#include "expo/core/progress.h"
#include "expo/extrapolation/diagnosis/delta_report.h"
#include "expo/extrapolation/kernel/tensor_delta.h"
#include "expo/extrapolation/plan/plan.h"
#include "expo/extrapolation/plan/rounding_choice.h"

namespace expo {

/// Which rounding was asked for, and which is used.
struct RoundingDecision {
  RoundingChoice choice = RoundingChoice::automatic;
  Rounding used = Rounding::nearest;
  std::uint64_t seed = 0;  ///< for stochastic rounding
  /// For RoundingChoice::automatic: the α asked for (asked_alpha()) and the effective α of rounding
  /// to nearest; std::nullopt if nothing was compared.
  std::optional<double> asked_alpha = {};
  std::optional<double> nearest_alpha = {};
  bool sampled = true;  ///< nearest_alpha was estimated from a sample

  /// Given the sums over all weights, returns whether rounding to nearest was chosen by the sample
  /// but does not keep α after all. If so, the decision becomes stochastic rounding.
  bool overruled_by(const std::vector<TensorDelta>& deltas);
};

/// What a decision about rounding is based on.
struct RoundingRequest {
  RoundingChoice choice = RoundingChoice::automatic;
  std::uint64_t seed = 0;
  unsigned threads = 0;  ///< 0: available_threads()
  /// False if the output cannot be rounded stochastically; `automatic` then means nearest.
  bool allows_stochastic = true;
};

/// Decides how the values of a plan are rounded. For RoundingChoice::automatic it reads a sample,
/// about one value in 64 and at least some of every tensor, and chooses nearest if keeps_alpha()
/// holds for its effective α. The decision depends on the weights and the plan alone, not on the
/// number of threads. Uses about 6 bytes of memory per thousand elements. `sft` may be null for a
/// plan without counterparts. Throws Error: input (a file was cut short), interrupted.
RoundingDecision decide_rounding(const Checkpoint* sft, const Checkpoint& aligned, const Plan& plan,
                                 const RoundingRequest& request,
                                 const CancellationToken& cancellation);

/// What a rounding (`automatic`: to nearest) makes of each of these α, each of which stands for the
/// plan's α of all tensors, judged by the sample that decide_rounding() reads. It is read once for
/// all of them. The counts are scaled up to the whole. Depends on the weights and the arguments
/// alone, not on the number of threads. Throws what decide_rounding() throws.
std::vector<DeltaSummary> sample_effects(const Checkpoint& sft, const Checkpoint& aligned,
                                         const Plan& plan, std::span<const double> alphas,
                                         const RoundingRequest& request,
                                         const CancellationToken& cancellation);

/// A line with the α asked for and its effect under rounding to nearest, if `automatic` chose
/// stochastic rounding; empty otherwise.
std::string describe(const RoundingDecision& decision);

/// Returns {"choice": "auto", "used": "stochastic", "seed": 0, "nearest_effective_alpha": … or
/// null}.
Json to_json(const RoundingDecision& decision);

}  // namespace expo
