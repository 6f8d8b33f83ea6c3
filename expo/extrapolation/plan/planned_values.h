#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "expo/checkpoint/checkpoint.h"
#include "expo/extrapolation/kernel/equation_2.h"
#include "expo/extrapolation/plan/plan.h"

namespace expo {

/// How many of a tensor's elements [first, first + count) have a counterpart in SFT.
std::uint64_t common_elements(const TensorPlan& plan, std::uint64_t first,
                              std::uint64_t count) noexcept;

/// Computes the values that a plan asks for from those of the two checkpoints; files that are
/// written and live weights share this code. Immutable and thread-safe.
class PlannedValues {
 public:
  struct Options {
    Rounding rounding = Rounding::nearest;
    std::uint64_t seed = 0;
    bool allow_overflow = false;  ///< finite weights may become infinite in the output type
    bool measures = true;         ///< KernelInput::measures
    /// What to do about an overflow, for the error message.
    std::string_view overflow_advice =
        "a wider --out-dtype, or --allow-overflow to write them as they are";
  };
  /// The elements [first, first + count) of a tensor.
  struct Range {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
  };

  /// `sft` may be null for a plan without counterparts. Both checkpoints must outlive it.
  PlannedValues(const Checkpoint* sft, const Checkpoint& aligned, const Options& options)
      : sft_(sft), aligned_(aligned), options_(options) {}

  /// Fills `out` with the range's values of out_type. `aligned` holds ALIGNED's values of the
  /// range, `sft` SFT's of its first common_elements(). Throws Error(input) naming the tensor if
  /// finite weights become infinite, unless that is allowed.
  DeltaSums compute(const TensorPlan& plan, const Range& range, DType out_type,
                    std::span<const std::byte> sft, std::span<const std::byte> aligned,
                    std::span<std::byte> out) const;

  /// The input of the kernel, without `out`, for elements that all have a counterpart.
  KernelInput kernel_input(const TensorPlan& plan, const Range& range, DType out_type,
                           std::span<const std::byte> sft,
                           std::span<const std::byte> aligned) const;

 private:
  KernelInput aligned_input(const TensorPlan& plan, const Range& range, DType out_type,
                            std::span<const std::byte> aligned) const;
  DeltaSums extrapolate_values(const TensorPlan& plan, const KernelInput& whole,
                               std::span<std::byte> out) const;
  std::uint64_t copy_values(const TensorPlan& plan, const Range& range, DType out_type,
                            std::span<const std::byte> aligned, std::uint64_t from,
                            std::span<std::byte> out) const;
  void check_overflow(const TensorPlan& plan, const Range& range, DType out_type,
                      const DeltaSums& sums) const;

  const Checkpoint* sft_;
  const Checkpoint& aligned_;
  Options options_;
};

}  // namespace expo
