#pragma once

#include <ATen/ATen.h>

#include "expo/model/architecture.h"

namespace expo {

/// Attention of the last `q.size(2)` tokens of one sequence to all of it (or to the layer's
/// window), causal. q is [1, heads, tokens, head_dim], k and v [1, kv_heads, length, head_dim] with
/// length ≥ tokens; heads share keys in groups (Ainslie et al., "GQA"). The result is shaped as q.
at::Tensor causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const Architecture& architecture, const LayerSpec& layer);

}  // namespace expo
