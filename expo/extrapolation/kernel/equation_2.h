#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "expo/core/dtype.h"

namespace expo {

/// How θ + αΔ, once computed in float64, is rounded to the output type.
enum class Rounding {
  /// Rounds to nearest, ties to even, directly from float64.
  nearest,
  /// Rounds up or down with the probability that makes the expectation exact (to 2⁻³² of the
  /// spacing). Values that the output type represents never change. Beyond the largest finite
  /// value, and for a float64 output, it rounds as `nearest` does.
  stochastic,
  /// Only for bf16 outputs: the result of `aligned + alpha * (aligned - sft)` in PyTorch on a CPU,
  /// on bfloat16 tensors and with alpha a Python number, as in the authors' script. It has three
  /// roundings: bf16(θ + bf16(float(α)·bf16(θ − θ_sft))). Inputs of other types are first cast to
  /// bf16 as PyTorch does (float64 by way of float32). No element is exempt from the computation,
  /// so Δ = 0 or α = 0 can turn −0 into 0. A NaN becomes the canonical quiet NaN (PyTorch's has
  /// several patterns, depending on the position).
  like_original,
};

/// One run of consecutive elements of a tensor.
struct KernelInput {
  const std::byte* sft = nullptr;      ///< values of sft_type; any alignment
  const std::byte* aligned = nullptr;  ///< values of aligned_type; any alignment
  /// Values of out_type, at any alignment; null computes statistics only. It may equal `aligned`
  /// (or `sft`) exactly if the types have the same width, and must not overlap them otherwise.
  std::byte* out = nullptr;
  std::size_t count = 0;
  DType sft_type = DType::bf16;  ///< f16, bf16, f32 or f64, like the other two
  DType aligned_type = DType::bf16;
  DType out_type = DType::bf16;
  double alpha = 0;
  Rounding rounding = Rounding::nearest;
  std::uint64_t seed = 0;    ///< stochastic: the seed of the run
  std::uint64_t stream = 0;  ///< stochastic: the tensor's stream, a hash of its name
  /// Stochastic: the position of this run in the tensor, so that draws do not depend on how a
  /// tensor is cut into runs.
  std::uint64_t first_element = 0;
  /// If false, only `elements` and the two counts of non-finite values are computed, which takes
  /// half the time. The output is the same.
  bool measures = true;
};

/// What a run changed. The sums are over the elements whose θ, θ_sft and result are finite, and use
/// the values as given (not cast); each product is rounded to float64 and then added. The order of
/// addition within a run is fixed (element i goes to partial sum i mod 8, and the eight are added
/// up in order), so that the sums depend on how the tensor is cut into runs, but not on the
/// instruction set or the number of threads.
struct DeltaSums {
  std::uint64_t elements = 0;
  std::uint64_t changed = 0;  ///< θ ≠ θ_sft as numbers, or one is NaN and the other is not
  /// Elements with θ ≠ θ_sft, both finite, and α ≠ 0, whose result nevertheless equals θ rounded to
  /// the output type (compared as numbers; stochastic: θ rounded with the same draw).
  std::uint64_t lost = 0;
  std::uint64_t nonfinite_inputs = 0;  ///< θ or θ_sft is NaN or infinite
  /// θ and θ_sft are finite, but the result in the output type is not (overflow).
  std::uint64_t nonfinite_created = 0;
  double theta_squared = 0;      ///< Σ θ²
  double sft_squared = 0;        ///< Σ θ_sft²
  double theta_dot_sft = 0;      ///< Σ θ·θ_sft
  double delta_squared = 0;      ///< Σ Δ²
  double applied_dot_delta = 0;  ///< Σ (result − θ)·Δ; over delta_squared it is the effective α

  DeltaSums& operator+=(const DeltaSums& other);
};

/// The instruction sets that the kernel has a path for. All produce the same bytes and the same
/// sums.
enum class InstructionSet { scalar, avx2, avx512 };
/// The best one that this processor supports. EXPO_ISA=scalar|avx2|avx512 in the environment lowers
/// it (it is read once, cannot raise it, and other words have no effect).
InstructionSet best_instruction_set() noexcept;

/// Computes θ + α(θ − θ_sft) (equation 2 of the paper) in float64 without fused operations, rounded
/// once. If Δ = 0 (also: equal bits), α = 0, or θ or θ_sft is not finite, the result is θ rounded
/// to the output type (bit for bit θ if the types are equal; a NaN stays a NaN). Throws
/// Error(usage) for types without arithmetic, for like_original if the output is not bf16, and for
/// an instruction set that this processor lacks. Requires the default floating-point environment
/// (round to nearest, no flushing of subnormals). Thread-safe; allocates nothing.
DeltaSums extrapolate(const KernelInput& input);
DeltaSums extrapolate(const KernelInput& input, InstructionSet instruction_set);

/// Converts values of one type to another, rounded to nearest, by the same rules (without Δ).
/// Widening is exact; between equal types the bytes are copied. `in` and `out` may be the same if
/// the types have the same width, and must not overlap otherwise. Throws as extrapolate() does.
void convert_values(const std::byte* in, DType in_type, std::byte* out, DType out_type,
                    std::size_t count);
void convert_values(const std::byte* in, DType in_type, std::byte* out, DType out_type,
                    std::size_t count, InstructionSet instruction_set);

/// The stream number of a tensor: XXH3-64 of its name.
std::uint64_t tensor_stream(std::string_view name) noexcept;

}  // namespace expo
