#include "expo/training/ops/dropout.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

namespace expo {
namespace {

constexpr std::int64_t kDraws = 4;  // 32-bit draws in a block

/// 0 for an element that is dropped, and 1 for every other.
at::Tensor mask(std::int64_t count, double p, const RandomStream& draws) {
  at::Tensor result = at::empty({count}, at::kFloat);
  auto* values = result.mutable_data_ptr<float>();
  const auto threshold = static_cast<std::uint64_t>(std::llround(p * 0x1p32));
  const std::int64_t blocks = (count + kDraws - 1) / kDraws;
  at::parallel_for(0, blocks, 4096, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t block = first; block < last; ++block) {
      const auto bits = draws.block(static_cast<std::uint64_t>(block));
      const std::int64_t here = std::min(kDraws, count - block * kDraws);
      for (std::int64_t i = 0; i < here; ++i)
        values[block * kDraws + i] = bits[static_cast<std::size_t>(i)] < threshold ? 0.0F : 1.0F;
    }
  });
  return result;
}

}  // namespace

at::Tensor dropout(const at::Tensor& x, double p, const RandomStream& draws) {
  if (p == 0) return x;
  const at::Tensor kept = mask(x.numel(), p, draws).view(x.sizes()).to(x.options());
  return x * kept * (1 / (1 - p));
}

}  // namespace expo
