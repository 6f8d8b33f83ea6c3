#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "expo/core/dtype.h"

namespace expo {

/// How θ + αΔ, once computed in float64, becomes a value of the output type.
enum class Rounding {
  /// To nearest, ties to even, directly from float64.
  nearest,
  /// Up or down with the probability that makes the expectation exact (to 2⁻³² of the spacing).
  /// Values that the output type represents never change. Beyond the largest finite value: nearest.
  /// A float64 output is as with `nearest`.
  stochastic,
  /// Only for bf16 outputs: what `aligned + alpha * (aligned - sft)` gives in PyTorch on a CPU, on
  /// bfloat16 tensors and with alpha a Python number, as in the authors' script: three roundings,
  /// bf16(θ + bf16(float(α)·bf16(θ − θ_sft))). Inputs of other types are first cast to bf16 as
  /// PyTorch does it (float64 by way of float32). Nothing is taken out of the computation, so that
  /// Δ = 0 or α = 0 can turn −0 into 0. A NaN is the canonical quiet one (PyTorch's has several
  /// patterns, by position).
  like_original,
};

/// One run of consecutive elements of one tensor.
struct KernelInput {
  const std::byte* sft = nullptr;      ///< values of sft_type; any alignment
  const std::byte* aligned = nullptr;  ///< values of aligned_type; any alignment
  /// Values of out_type; any alignment; null: statistics only. May equal `aligned` (or `sft`)
  /// exactly where the types are equally wide; must not overlap otherwise.
  std::byte* out = nullptr;
  std::size_t count = 0;
  DType sft_type = DType::bf16;  ///< f16, bf16, f32 or f64, as all three
  DType aligned_type = DType::bf16;
  DType out_type = DType::bf16;
  double alpha = 0;
  Rounding rounding = Rounding::nearest;
  std::uint64_t seed = 0;    ///< stochastic: of the run
  std::uint64_t stream = 0;  ///< stochastic: of the tensor, a hash of its name
  /// Stochastic: this run's place in the tensor, so that draws do not depend on how a tensor is cut
  /// into runs.
  std::uint64_t first_element = 0;
  /// False: of the sums only `elements` and the two counts of non-finite values are taken, which
  /// takes half the time. The output is the same.
  bool measures = true;
};

/// What a run changed. Sums are over the elements whose θ, θ_sft and result are finite, of the
/// values as they were given (not cast), each product rounded to float64 and then added. They are
/// taken in a fixed order per run (element i into partial sum i mod 8, the eight folded in order),
/// so that they depend on the cutting into runs but not on the instruction set or the number of
/// threads.
struct DeltaSums {
  std::uint64_t elements = 0;
  std::uint64_t changed = 0;  ///< θ ≠ θ_sft as numbers, or one is NaN and the other is not
  /// θ ≠ θ_sft, both finite, α ≠ 0, yet the result equals θ rounded to the output type (as numbers;
  /// stochastic: θ rounded with the same draw).
  std::uint64_t lost = 0;
  std::uint64_t nonfinite_inputs = 0;  ///< θ or θ_sft is NaN or infinite
  /// θ and θ_sft are finite, the result in the output type is not (overflow).
  std::uint64_t nonfinite_created = 0;
  double theta_squared = 0;      ///< Σ θ²
  double sft_squared = 0;        ///< Σ θ_sft²
  double theta_dot_sft = 0;      ///< Σ θ·θ_sft
  double delta_squared = 0;      ///< Σ Δ²
  double applied_dot_delta = 0;  ///< Σ (result − θ)·Δ; over delta_squared it is the effective α

  DeltaSums& operator+=(const DeltaSums& other);
};

/// Instruction sets that the kernel has a path for. All give the same bytes and the same sums.
enum class InstructionSet { scalar, avx2, avx512 };
/// The best one of this processor. EXPO_ISA=scalar|avx2|avx512 in the environment lowers it (read
/// once; it cannot raise it, and other words change nothing).
InstructionSet best_instruction_set() noexcept;

/// θ + α(θ − θ_sft) (equation 2 of the paper), computed in float64 without fused operations,
/// rounded once. Where Δ = 0 (also: equal bits), α = 0, or θ or θ_sft is not finite, the result is
/// θ rounded to the output type (bit for bit θ where the types are equal; a NaN stays a NaN).
/// Throws Error(usage) for types without arithmetic, for like_original where the output is not
/// bf16, or for an instruction set that this processor lacks. Expects the default floating-point
/// environment (nearest, no flushing of subnormals). Thread-safe; no allocation.
DeltaSums extrapolate(const KernelInput& input);
DeltaSums extrapolate(const KernelInput& input, InstructionSet instruction_set);

/// Rounds values of one type to another, to nearest, by the same rules (no Δ): for conversions. A
/// widening is exact; between equal types the bytes are copied. `in` and `out` may be the same
/// where the types are equally wide and must not overlap otherwise. Errors as above.
void convert_values(const std::byte* in, DType in_type, std::byte* out, DType out_type,
                    std::size_t count);
void convert_values(const std::byte* in, DType in_type, std::byte* out, DType out_type,
                    std::size_t count, InstructionSet instruction_set);

/// The stream of a tensor: XXH3-64 of its name.
std::uint64_t tensor_stream(std::string_view name) noexcept;

}  // namespace expo
