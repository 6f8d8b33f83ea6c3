#include "expo/training/model/bf16_fit.h"

#include <bit>

namespace expo {
namespace {

// The bits of float32 below bfloat16's last bit, and the one among them that is worth half of it.
constexpr std::uint32_t kBelow = 0xFFFF;
constexpr std::uint32_t kHalf = 0x8000;

}  // namespace

Bf16Fit& Bf16Fit::operator+=(const Bf16Fit& other) {
  values += other.values;
  between += other.between;
  ties += other.ties;
  return *this;
}

Bf16Fit measure_bf16_fit(const at::Tensor& values) {
  Bf16Fit fit;
  fit.values = static_cast<std::uint64_t>(values.numel());
  if (values.scalar_type() == at::kBFloat16) return fit;
  const at::Tensor wide = values.to(at::kFloat).contiguous();
  const auto* value = wide.const_data_ptr<float>();
  for (std::uint64_t i = 0; i < fit.values; ++i) {
    const std::uint32_t below = std::bit_cast<std::uint32_t>(value[i]) & kBelow;
    fit.between += below != 0 ? 1 : 0;
    fit.ties += below == kHalf ? 1 : 0;
  }
  return fit;
}

}  // namespace expo
