#pragma once

#include "expo/extrapolation/kernel/equation_2.h"

namespace expo {

/// Measures that are derived from the sums of a weight change. All refer to finite elements, and
/// take the sums of one tensor or sums added up over several.

/// ‖Δ‖ / ‖θ_sft‖; infinite if θ_sft is all zero and Δ is not, and 0 if both are.
double relative_norm(const DeltaSums& sums);

/// ⟨θ, θ_sft⟩ / (‖θ‖·‖θ_sft‖), within [-1, 1]; 1 for equal tensors, including all-zero ones; 0 if
/// only one of them is all zero.
double cosine(const DeltaSums& sums);

/// 1 − cosine, 0 to 2, computed without cancellation for a cosine near 1.
double cosine_distance(const DeltaSums& sums);

/// The share of elements that differ, 0 to 1.
double changed_share(const DeltaSums& sums);

/// The share of the non-zero elements of Δ whose update is lost in rounding to the output type at
/// this α, 0 to 1.
double lost_share(const DeltaSums& sums);

/// The least-squares slope of the applied update against Δ: α if nothing is lost; 0 if Δ = 0.
double effective_alpha(const DeltaSums& sums);

/// (‖θ‖² − ‖θ_sft‖²) / ‖Δ‖²: 1 if Δ is orthogonal to θ_sft, −1 if it is orthogonal to θ, 0 if θ and
/// θ_sft have equal norms. Also 0 if Δ = 0.
double norm_growth(const DeltaSums& sums);

/// Scales the sums over a sample of at least one element to `elements` elements, assuming that the
/// sample is like the whole.
DeltaSums scaled(DeltaSums sums, std::uint64_t elements);

}  // namespace expo
