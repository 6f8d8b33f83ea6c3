#pragma once

#include <ATen/ATen.h>

#include "expo/model/architecture.h"

namespace expo {

/// Causal attention of the last `q.size(2)` tokens of one sequence to the whole sequence (or to the
/// layer's window). q is [1, heads, tokens, head_dim]; k and v are [1, kv_heads, length, head_dim]
/// with length ≥ tokens; heads share keys in groups (Ainslie et al., "GQA"). The result has the
/// shape of q.
at::Tensor causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const Architecture& architecture, const LayerSpec& layer);

/// Attention under a mask that is true where a query attends to a key: [slots, 1, tokens, length]
/// or a shape that broadcasts to it. q is [slots, heads, tokens, head_dim], k and v are [slots,
/// kv_heads, length, head_dim].
at::Tensor masked_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const at::Tensor& mask, const Architecture& architecture);

/// The mask [slots, 1, 1, length] of a decoding step: what each slot's query at `positions` (int64
/// [slots]; −1: no query) sees of `length` keys. A slot without a query sees the first key.
at::Tensor seen_by_slots(const at::Tensor& positions, std::int64_t length, const LayerSpec& layer);

}  // namespace expo
