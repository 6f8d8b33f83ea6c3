#pragma once

#include <ATen/ATen.h>

#include "expo/model/architecture.h"

namespace expo {

/// The inverse frequencies of the rotary embedding, float32 [head_dim / 2], on the CPU: Su et al.,
/// "RoFormer", section 3.2.2, scaled as in transformers' modeling_rope_utils.
at::Tensor inverse_frequencies(const RopeSpec& rope, std::int64_t head_dim);

/// Rotates q and k by their positions, in halves (element i with i + head_dim / 2). Not
/// thread-safe: its tables grow with the positions that are requested.
class RotaryEmbedding {
 public:
  RotaryEmbedding(const RopeSpec& rope, std::int64_t head_dim, const at::TensorOptions& options);

  /// Looks up `positions` (int64 [tokens]) once for all layers.
  void prepare(const at::Tensor& positions, std::int64_t highest);
  /// `x` is [tokens, heads, head_dim]; so is the result.
  at::Tensor apply(const at::Tensor& x) const;

  /// The tables at the positions that were looked up: [tokens, 1, head_dim], with both halves
  /// equal.
  const at::Tensor& cosine() const { return cos_; }
  const at::Tensor& sine() const { return sin_; }

 private:
  void grow(std::int64_t positions);

  at::Tensor frequencies_;
  at::TensorOptions options_;
  at::Tensor cos_table_, sin_table_;  // [positions, 1, head_dim]
  at::Tensor cos_, sin_;              // [tokens, 1, head_dim]
};

}  // namespace expo
