#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "expo/core/json.h"
#include "expo/extrapolation/kernel/equation_2.h"
#include "expo/extrapolation/kernel/tensor_delta.h"

namespace expo {

/// A summary of DeltaSums for a report. A share of no elements is 0; without Δ there is no
/// effective α.
struct DeltaSummary {
  std::uint64_t elements = 0;
  double relative_norm = 0;  ///< ‖Δ‖/‖θ‖
  double changed = 0;        ///< share of elements with θ ≠ θ_sft
  double lost = 0;           ///< share of the changed elements whose update was rounded away
  std::optional<double> effective_alpha;  ///< least-squares slope of the applied update against Δ
  std::uint64_t nonfinite_inputs = 0;
  std::uint64_t nonfinite_created = 0;
};

DeltaSummary summarise(const DeltaSums& sums);

/// Returns {"relative_norm": …, "changed": …, "effective_alpha": … or null, "lost": …, "elements":
/// …}.
Json to_json(const DeltaSummary& summary);

/// The sums of all tensors of each kind of module ("attention.q", "mlp.down", …) or layer, in order
/// of first appearance.
struct GroupSummary {
  std::string group;
  DeltaSummary summary;
};

std::vector<GroupSummary> summarise_by_kind(const std::vector<TensorDelta>& tensors);
DeltaSums total(const std::vector<TensorDelta>& tensors);

/// The overall α of a run with several: their Δ²-weighted mean, with which the effective α is
/// compared.
double asked_alpha(const std::vector<TensorDelta>& tensors);

/// Whether an effective α is close enough to the one asked for: within 5 % of its size or 0.02,
/// whichever is more, so that α = 0 has a bound too. Every warning about rounding and
/// RoundingChoice::automatic use this bound.
bool keeps_alpha(double asked, double effective) noexcept;

}  // namespace expo
