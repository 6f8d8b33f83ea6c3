#pragma once

#include <ATen/ATen.h>

#include "expo/model/architecture.h"

namespace expo {

/// Attention of the last `q.size(2)` tokens of one sequence to all of it (or to the layer's
/// window), causal. q is [1, heads, tokens, head_dim], k and v [1, kv_heads, length, head_dim] with
/// length ≥ tokens; heads share keys in groups (Ainslie et al., "GQA"). The result is shaped as q.
at::Tensor causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const Architecture& architecture, const LayerSpec& layer);

/// Attention under a mask, true where a query sees a key: [slots, 1, tokens, length] or what
/// broadcasts to it. q is [slots, heads, tokens, head_dim], k and v [slots, kv_heads, length,
/// head_dim].
at::Tensor masked_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const at::Tensor& mask, const Architecture& architecture);

/// What each slot's query at `positions` (int64 [slots]; −1: at none) sees of `length` keys:
/// [slots, 1, 1, length]. Where there is no query it sees the first.
at::Tensor seen_by_slots(const at::Tensor& positions, std::int64_t length, const LayerSpec& layer);

}  // namespace expo
