#include "expo/extrapolation/kernel/block_sums.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "expo/checkpoint/gguf/blocks.h"

namespace expo {
namespace {

constexpr std::size_t kBlock = 32;
constexpr std::size_t kBlockBytes = 34;
constexpr std::size_t kRun = 256 * kBlock;

template <typename Value>
std::vector<Value> values_of(const std::byte* from, DType type, DType as, std::size_t count) {
  std::vector<Value> values(count);
  convert_values(from, type, reinterpret_cast<std::byte*>(values.data()), as, count);
  return values;
}

std::vector<float> dequantised(std::span<const std::byte> blocks) {
  static const GgmlFormat format = *ggml_format(kGgmlQ8_0);
  std::vector<float> values(blocks.size() / kBlockBytes * kBlock);
  dequantise(format, blocks, 0, values);
  return values;
}

/// The values that the blocks would hold without a step: θ, quantised.
std::vector<float> unmoved(const KernelInput& input, std::size_t first, std::size_t count) {
  const auto theta = values_of<float>(input.aligned + first * byte_width(input.aligned_type),
                                      input.aligned_type, DType::f32, count);
  std::vector<std::byte> blocks(count / kBlock * kBlockBytes);
  quantise_q8_0(theta, blocks);
  return dequantised(blocks);
}

void add_run(const KernelInput& input, std::size_t first, std::span<const std::byte> blocks,
             DeltaSums& sums) {
  const auto kept = dequantised(blocks);
  const auto still = unmoved(input, first, kept.size());
  const std::size_t count = std::min(kept.size(), input.count - first);
  const auto theta = values_of<double>(input.aligned + first * byte_width(input.aligned_type),
                                       input.aligned_type, DType::f64, count);
  const auto sft = values_of<double>(input.sft + first * byte_width(input.sft_type), input.sft_type,
                                     DType::f64, count);
  for (std::size_t i = 0; i < count; ++i) {
    if (!std::isfinite(theta[i]) || !std::isfinite(sft[i])) continue;
    const double delta = theta[i] - sft[i];
    sums.applied_dot_delta += (double{kept[i]} - theta[i]) * delta;
    if (delta != 0 && input.alpha != 0 && kept[i] == still[i]) ++sums.lost;
  }
}

}  // namespace

void measure_q8_0(const KernelInput& input, std::span<const std::byte> blocks, DeltaSums& sums) {
  sums.lost = 0;
  sums.applied_dot_delta = 0;
  const std::size_t needed = (input.count + kBlock - 1) / kBlock * kBlockBytes;
  constexpr std::size_t kRunBytes = kRun / kBlock * kBlockBytes;
  for (std::size_t done = 0; done < needed; done += kRunBytes) {
    add_run(input, done / kBlockBytes * kBlock,
            blocks.subspan(done, std::min(kRunBytes, needed - done)), sums);
  }
}

}  // namespace expo
