#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "expo/core/json.h"
#include "expo/extrapolation/kernel/equation_2.h"
#include "expo/extrapolation/kernel/tensor_delta.h"

namespace expo {

/// What DeltaSums say, as a person asks it. A share of nothing is 0; an effective α without Δ is
/// absent.
struct DeltaSummary {
  std::uint64_t elements = 0;
  double relative_norm = 0;  ///< ‖Δ‖/‖θ‖
  double changed = 0;        ///< share of elements with θ ≠ θ_sft
  double lost = 0;           ///< share of the changed elements whose update was rounded away
  std::optional<double> effective_alpha;  ///< least-squares slope of what was applied on Δ
  std::uint64_t nonfinite_inputs = 0;
  std::uint64_t nonfinite_created = 0;
};

DeltaSummary summarise(const DeltaSums& sums);

/// {"relative_norm": …, "changed": …, "effective_alpha": … or null, "lost": …, "elements": …}
Json to_json(const DeltaSummary& summary);

/// Sums of all tensors of one kind of module ("attention.q", "mlp.down", …) or layer, in order of
/// appearance.
struct GroupSummary {
  std::string group;
  DeltaSummary summary;
};

std::vector<GroupSummary> summarise_by_kind(const std::vector<TensorDelta>& tensors);
DeltaSums total(const std::vector<TensorDelta>& tensors);

/// The α that a run with several α's asked for on the whole: the Δ²-weighted mean, with which the
/// effective α is compared.
double asked_alpha(const std::vector<TensorDelta>& tensors);

/// Whether an effective α is what was asked for: no further from it than 5 % of its size or 0.02,
/// whichever is more, so that α = 0 has a bound too. The one bound of every warning about rounding
/// and of RoundingChoice::automatic.
bool keeps_alpha(double asked, double effective) noexcept;

}  // namespace expo
