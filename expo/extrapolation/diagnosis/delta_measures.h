#pragma once

#include "expo/extrapolation/kernel/equation_2.h"

namespace expo {

/// What a person reads off the sums of a weight change. All are of finite elements, and take the
/// sums of one tensor, or added up over several.

/// ‖Δ‖ / ‖θ_sft‖; infinite where only θ_sft is all zero, 0 where Δ is too.
double relative_norm(const DeltaSums& sums);

/// ⟨θ, θ_sft⟩ / (‖θ‖·‖θ_sft‖), within [-1, 1]; 1 for equal tensors, also all-zero ones; 0 where
/// only one of them is all zero.
double cosine(const DeltaSums& sums);

/// 1 − cosine, 0 to 2, without the cancellation that a cosine near 1 suffers.
double cosine_distance(const DeltaSums& sums);

/// The share of elements that differ, 0 to 1.
double changed_share(const DeltaSums& sums);

/// The share of the non-zero Δ that rounding to the output type swallows at this α, 0 to 1.
double lost_share(const DeltaSums& sums);

/// The least-squares slope of what was applied on Δ: α where nothing is lost; 0 where Δ = 0.
double effective_alpha(const DeltaSums& sums);

/// (‖θ‖² − ‖θ_sft‖²) / ‖Δ‖²: 1 where Δ stands at right angles to θ_sft, −1 where it stands at right
/// angles to θ, 0 where both are equally long. 0 where Δ = 0.
double norm_growth(const DeltaSums& sums);

/// Sums over a sample, of at least one element, as they would be over `elements` if the sample is
/// like the whole.
DeltaSums scaled(DeltaSums sums, std::uint64_t elements);

}  // namespace expo
