#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "expo/model/architecture.h"

namespace expo {

/// Causal attention within each of the packed rows, which are `lengths` tokens long: each at least
/// 1, together `tokens`. `qkv` is float32 [tokens, (heads + 2·kv_heads)·head_dim]: queries, keys
/// and values of each token. The result is [tokens, heads·head_dim], differentiable in `qkv`.
at::Tensor row_attention(const at::Tensor& qkv, const std::vector<std::int64_t>& lengths,
                         const Architecture& architecture, const LayerSpec& layer);

}  // namespace expo
