#pragma once

#include <ATen/ATen.h>

#include "expo/model/rotary_embedding.h"

namespace expo {

/// Rotates the first `heads` heads of each row of x, float32 [tokens, n·head_dim], by the positions
/// that `rotary` has looked up, one for each token; the other heads are unchanged. Differentiable
/// in x, of which nothing is kept.
at::Tensor rotated(const at::Tensor& x, std::int64_t heads, std::int64_t head_dim,
                   const RotaryEmbedding& rotary);

}  // namespace expo
