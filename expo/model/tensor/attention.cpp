#include "expo/model/tensor/attention.h"

#include <algorithm>
#include <optional>

namespace expo {
namespace {

/// A mask [tokens, length], true where query i (at position length − tokens + i) attends to key j.
at::Tensor visible(std::int64_t tokens, std::int64_t length, std::int64_t window,
                   const at::Device& device) {
  const auto options = at::TensorOptions().dtype(at::kLong).device(device);
  const at::Tensor query = at::arange(length - tokens, length, options).unsqueeze(1);
  const at::Tensor key = at::arange(length, options).unsqueeze(0);
  at::Tensor mask = key <= query;
  if (window > 0) mask = mask.logical_and(key > query - window);
  return mask;
}

/// Attention with softly capped products, which the fused kernels do not support.
at::Tensor capped_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const at::Tensor& mask, const Architecture& architecture) {
  const std::int64_t group = q.size(1) / k.size(1);
  const at::Tensor keys = k.repeat_interleave(group, 1);
  const at::Tensor values = v.repeat_interleave(group, 1);
  const double cap = architecture.attention_softcap;
  at::Tensor scores = at::matmul(q, keys.transpose(-2, -1)) * architecture.attention_scale;
  scores = at::tanh(scores / cap) * cap;
  scores = scores.masked_fill(mask.logical_not(), -std::numeric_limits<float>::infinity());
  return at::matmul(at::softmax(scores, -1, at::kFloat).to(q.scalar_type()), values);
}

/// Whether every query head needs its own copy of the keys: a GPU's fused kernel for float32 does
/// not support queries that share keys, and the kernel used instead would hold all scores at once.
bool wants_own_keys(const at::Tensor& q, const at::Tensor& k) {
  return q.size(1) != k.size(1) && !q.is_cpu() && q.scalar_type() == at::kFloat;
}

}  // namespace

at::Tensor causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const Architecture& architecture, const LayerSpec& layer) {
  const std::int64_t tokens = q.size(2);
  // Keys that no query attends to can be left out.
  const std::int64_t reach = layer.window > 0 ? layer.window + tokens - 1 : k.size(2);
  const std::int64_t length = std::min(k.size(2), reach);
  const at::Tensor keys = k.narrow(2, k.size(2) - length, length);
  const at::Tensor values = v.narrow(2, k.size(2) - length, length);
  if (architecture.attention_softcap > 0) {
    return capped_attention(q, keys, values, visible(tokens, length, layer.window, q.device()),
                            architecture);
  }
  const bool windowed = layer.window > 0 && length > layer.window;
  std::optional<at::Tensor> mask;
  if (tokens > 1 && (tokens != length || windowed))
    mask = visible(tokens, length, layer.window, q.device());
  const bool causal = tokens > 1 && !mask;
  if (wants_own_keys(q, k)) {
    const std::int64_t group = q.size(1) / k.size(1);
    return at::scaled_dot_product_attention(q, keys.repeat_interleave(group, 1),
                                            values.repeat_interleave(group, 1), mask, 0.0, causal,
                                            architecture.attention_scale);
  }
  return at::scaled_dot_product_attention(q, keys, values, mask, 0.0, causal,
                                          architecture.attention_scale, q.size(1) != k.size(1));
}

at::Tensor masked_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const at::Tensor& mask, const Architecture& architecture) {
  if (architecture.attention_softcap > 0) return capped_attention(q, k, v, mask, architecture);
  return at::scaled_dot_product_attention(q, k, v, mask, 0.0, false, architecture.attention_scale,
                                          q.size(1) != k.size(1));
}

at::Tensor seen_by_slots(const at::Tensor& positions, std::int64_t length, const LayerSpec& layer) {
  const at::Tensor key = at::arange(length, positions.options()).unsqueeze(0);
  const at::Tensor query = positions.clamp_min(0).unsqueeze(1);
  at::Tensor mask = key <= query;
  if (layer.window > 0) mask = mask.logical_and(key > query - layer.window);
  return mask.unsqueeze(1).unsqueeze(1);
}

}  // namespace expo
