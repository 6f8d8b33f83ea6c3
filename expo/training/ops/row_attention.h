#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "expo/model/architecture.h"

namespace expo {

/// Causal attention within each packed row. `lengths` are the rows' lengths in tokens, each at
/// least 1 and `tokens` in all. `qkv` is float32 [tokens, (heads + 2·kv_heads)·head_dim]: the
/// queries, keys and values of each token. The result is [tokens, heads·head_dim], differentiable
/// in `qkv`.
at::Tensor row_attention(const at::Tensor& qkv, const std::vector<std::int64_t>& lengths,
                         const Architecture& architecture, const LayerSpec& layer);

}  // namespace expo
