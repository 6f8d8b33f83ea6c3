#include "expo/model/rotary_embedding.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace expo {
namespace {

/// Stretches long wavelengths by `factor`, keeps short ones, and interpolates smoothly between
/// them.
at::Tensor llama3_frequencies(const RopeSpec& rope, const at::Tensor& frequencies) {
  const double longest = rope.original_max_positions / rope.low_frequency_factor;
  const double shortest = rope.original_max_positions / rope.high_frequency_factor;
  const at::Tensor wavelength = 2 * std::numbers::pi / frequencies;
  const at::Tensor stretched = frequencies / rope.factor;
  const at::Tensor smooth = (rope.original_max_positions / wavelength - rope.low_frequency_factor) /
                            (rope.high_frequency_factor - rope.low_frequency_factor);
  const at::Tensor between = (1 - smooth) * stretched + smooth * frequencies;
  return at::where(wavelength > longest, stretched,
                   at::where(wavelength < shortest, frequencies, between));
}

}  // namespace

at::Tensor inverse_frequencies(const RopeSpec& rope, std::int64_t head_dim) {
  const at::Tensor exponents =
      at::arange(0, head_dim, 2, at::kFloat) / static_cast<double>(head_dim);
  const at::Tensor frequencies = 1.0 / at::pow(rope.theta, exponents);
  switch (rope.scaling) {
    case RopeSpec::Scaling::none:
      return frequencies;
    case RopeSpec::Scaling::linear:
      return frequencies / rope.factor;
    case RopeSpec::Scaling::llama3:
      return llama3_frequencies(rope, frequencies);
  }
  return frequencies;
}

RotaryEmbedding::RotaryEmbedding(const RopeSpec& rope, std::int64_t head_dim,
                                 const at::TensorOptions& options)
    : frequencies_(inverse_frequencies(rope, head_dim)), options_(options) {}

void RotaryEmbedding::prepare(const at::Tensor& positions, std::int64_t highest) {
  if (!cos_table_.defined() || cos_table_.size(0) <= highest) grow(highest + 1);
  cos_ = cos_table_.index_select(0, positions);
  sin_ = sin_table_.index_select(0, positions);
}

void RotaryEmbedding::grow(std::int64_t positions) {
  std::int64_t size = 256;
  while (size < positions) size *= 2;
  const at::Tensor angles = at::outer(at::arange(size, at::kFloat), frequencies_);
  const at::Tensor both = at::cat({angles, angles}, -1).unsqueeze(1);
  cos_table_ = both.cos().to(options_);
  sin_table_ = both.sin().to(options_);
}

at::Tensor RotaryEmbedding::apply(const at::Tensor& x) const {
  const std::int64_t half = x.size(-1) / 2;
  const at::Tensor turned = at::cat({-x.narrow(-1, half, half), x.narrow(-1, 0, half)}, -1);
  return x * cos_ + turned * sin_;
}

}  // namespace expo
