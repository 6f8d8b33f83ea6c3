#include "expo/extrapolation/plan/planned_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "expo/core/error.h"

namespace expo {
namespace {

/// The number of elements that the kernel processes at once, so that its inputs and output stay in
/// the processor's cache between its passes.
constexpr std::uint64_t kRun = std::uint64_t{1} << 17;

}  // namespace

std::uint64_t common_elements(const TensorPlan& plan, std::uint64_t first,
                              std::uint64_t count) noexcept {
  if (!plan.sft || plan.common <= first) return 0;
  return std::min(count, plan.common - first);
}

DeltaSums PlannedValues::compute(const TensorPlan& plan, const Range& range, DType out_type,
                                 std::span<const std::byte> sft, std::span<const std::byte> aligned,
                                 std::span<std::byte> out) const {
  const std::uint64_t common = common_elements(plan, range.first, range.count);
  DeltaSums sums;
  if (common > 0) {
    const KernelInput input = kernel_input(plan, {range.first, common}, out_type, sft, aligned);
    sums = extrapolate_values(plan, input, out);
  }
  sums.nonfinite_created += copy_values(plan, range, out_type, aligned, common, out);
  return sums;
}

KernelInput PlannedValues::kernel_input(const TensorPlan& plan, const Range& range, DType out_type,
                                        std::span<const std::byte> sft,
                                        std::span<const std::byte> aligned) const {
  KernelInput input = aligned_input(plan, range, out_type, aligned);
  input.sft = sft.data();
  input.sft_type = sft_->tensors()[*plan.sft].dtype;
  input.alpha = plan.alpha;
  input.rounding = options_.rounding;
  input.seed = options_.seed;
  input.stream = tensor_stream(aligned_.tensors()[plan.aligned].name);
  input.measures = options_.measures;
  return input;
}

/// Passes ALIGNED for both models, so that Δ = 0: the kernel then only rounds θ to nearest and
/// counts overflows.
KernelInput PlannedValues::aligned_input(const TensorPlan& plan, const Range& range, DType out_type,
                                         std::span<const std::byte> aligned) const {
  KernelInput input;
  input.sft = input.aligned = aligned.data();
  input.sft_type = input.aligned_type = aligned_.tensors()[plan.aligned].dtype;
  input.out_type = out_type;
  input.count = static_cast<std::size_t>(range.count);
  input.first_element = range.first;
  return input;
}

DeltaSums PlannedValues::extrapolate_values(const TensorPlan& plan, const KernelInput& whole,
                                            std::span<std::byte> out) const {
  DeltaSums sums;
  for (std::size_t done = 0; done < whole.count; done += kRun) {
    KernelInput input = whole;
    input.count = std::min<std::size_t>(kRun, whole.count - done);
    input.first_element += done;
    input.sft += done * byte_width(input.sft_type);
    input.aligned += done * byte_width(input.aligned_type);
    input.out = out.data() + done * byte_width(input.out_type);
    sums += extrapolate(input);
  }
  check_overflow(plan, {whole.first_element, whole.count}, whole.out_type, sums);
  return sums;
}

/// Writes ALIGNED's own values, in the output type, from element `from` of the range on; returns
/// how many of them became infinite.
std::uint64_t PlannedValues::copy_values(const TensorPlan& plan, const Range& range, DType out_type,
                                         std::span<const std::byte> aligned, std::uint64_t from,
                                         std::span<std::byte> out) const {
  if (from == range.count) return 0;
  const DType in_type = aligned_.tensors()[plan.aligned].dtype;
  if (in_type == out_type) {
    const std::uint64_t skip = from * bit_width(in_type) / 8;
    std::memcpy(out.data() + skip, aligned.data() + skip,
                aligned.size() - static_cast<std::size_t>(skip));
    return 0;
  }
  const auto skip = static_cast<std::size_t>(from) * byte_width(in_type);
  KernelInput input = aligned_input(plan, {range.first + from, range.count - from}, out_type,
                                    aligned.subspan(skip));
  input.out = out.data() + from * byte_width(out_type);
  const DeltaSums sums = extrapolate(input);
  check_overflow(plan, range, out_type, sums);
  return sums.nonfinite_created;
}

void PlannedValues::check_overflow(const TensorPlan& plan, const Range& range, DType out_type,
                                   const DeltaSums& sums) const {
  if (sums.nonfinite_created == 0 || options_.allow_overflow) return;
  throw input_error(fmt::format(
      "tensor \"{}\": {} finite weights among elements {} to {} become infinite in {}; use a "
      "smaller α or {}",
      aligned_.tensors()[plan.aligned].name, sums.nonfinite_created, range.first,
      range.first + range.count - 1, safetensors_name(out_type), options_.overflow_advice));
}

}  // namespace expo
