#include "expo/training/ops/row_attention.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "expo/model/tensor/attention.h"
#include "expo/training/ops/row_loop.h"

namespace expo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Heads {
  std::int64_t queries;
  std::int64_t keys;
  std::int64_t dim;
  double scale;
};

/// Queries, keys and values, each [tokens, heads, head_dim].
struct Parts {
  at::Tensor q, k, v;
};

Parts split(const at::Tensor& qkv, const Heads& heads) {
  const at::Tensor by_head = qkv.view({qkv.size(0), -1, heads.dim});
  const auto parts = by_head.split_with_sizes({heads.queries, heads.keys, heads.keys}, 1);
  return {parts[0], parts[1], parts[2]};
}

/// Repeats keys or values for each query head: [tokens, heads, head_dim].
at::Tensor for_each_query(const at::Tensor& x, const Heads& heads) {
  if (heads.queries == heads.keys) return x;
  return x.repeat_interleave(heads.queries / heads.keys, 1);
}

/// The tokens of a row as the kernels expect them: [1, heads, tokens, head_dim].
at::Tensor row_of(const at::Tensor& x, std::int64_t first, std::int64_t length) {
  return x.narrow(0, first, length).transpose(0, 1).unsqueeze(0);
}
at::Tensor tokens_first(const at::Tensor& row) {
  return row.squeeze(0).transpose(0, 1);
}

/// Sets `target`, [tokens, keys, head_dim], to the sums over the query heads that share a key.
void gather(const at::Tensor& by_query, const Heads& heads, at::Tensor target) {
  if (heads.queries == heads.keys) {
    target.copy_(by_query);
  } else {
    at::sum_out(target, by_query.unflatten(1, {heads.keys, -1}), 2);
  }
}

/// Applies PyTorch's fused kernel for the processor, row by row.
struct Attention : torch::autograd::Function<Attention> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& qkv,
                            const std::vector<std::int64_t>& lengths, const Heads& heads) {
    const Parts parts = split(qkv, heads);
    const at::Tensor keys = for_each_query(parts.k, heads), values = for_each_query(parts.v, heads);
    const at::Tensor result = at::empty({qkv.size(0), heads.queries, heads.dim}, qkv.options());
    std::vector<at::Tensor> kept = {qkv, result};
    std::int64_t first = 0;
    for (const std::int64_t length : lengths) {
      const auto [attended, log_sums] = at::_scaled_dot_product_flash_attention_for_cpu(
          row_of(parts.q, first, length), row_of(keys, first, length),
          row_of(values, first, length), 0.0, true, {}, heads.scale);
      result.narrow(0, first, length).copy_(tokens_first(attended));
      kept.push_back(log_sums);
      first += length;
    }
    context->save_for_backward(kept);
    context->saved_data["queries"] = heads.queries;
    context->saved_data["keys"] = heads.keys;
    context->saved_data["dim"] = heads.dim;
    context->saved_data["scale"] = heads.scale;
    return result.view({qkv.size(0), -1});
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    auto& data = context->saved_data;
    const Heads heads = {data["queries"].toInt(), data["keys"].toInt(), data["dim"].toInt(),
                         data["scale"].toDouble()};
    const auto saved = context->get_saved_variables();
    const Parts parts = split(saved[0], heads);
    const at::Tensor keys = for_each_query(parts.k, heads), values = for_each_query(parts.v, heads);
    const at::Tensor change = gradients[0].contiguous().view(saved[1].sizes());
    const at::Tensor result = at::empty_like(saved[0]);
    const Parts targets = split(result, heads);
    std::int64_t first = 0;
    for (std::size_t i = 2; i < saved.size(); ++i) {
      const std::int64_t length = saved[i].size(2);
      const auto [q, k, v] = at::_scaled_dot_product_flash_attention_for_cpu_backward(
          row_of(change, first, length), row_of(parts.q, first, length),
          row_of(keys, first, length), row_of(values, first, length),
          row_of(saved[1], first, length), saved[i], 0.0, true, {}, heads.scale);
      targets.q.narrow(0, first, length).copy_(tokens_first(q));
      gather(tokens_first(k), heads, targets.k.narrow(0, first, length));
      gather(tokens_first(v), heads, targets.v.narrow(0, first, length));
      first += length;
    }
    return {result, at::Tensor(), at::Tensor()};
  }
};

at::Tensor by_rows(const Parts& parts, const std::vector<std::int64_t>& lengths,
                   const Architecture& architecture, const LayerSpec& layer) {
  std::vector<at::Tensor> results;
  std::int64_t first = 0;
  for (const std::int64_t length : lengths) {
    results.push_back(tokens_first(
        causal_attention(row_of(parts.q, first, length), row_of(parts.k, first, length),
                         row_of(parts.v, first, length), architecture, layer)));
    first += length;
  }
  return at::cat(results, 0).reshape({parts.q.size(0), -1});
}

}  // namespace

at::Tensor row_attention(const at::Tensor& qkv, const std::vector<std::int64_t>& lengths,
                         const Architecture& architecture, const LayerSpec& layer) {
  const Heads heads = {architecture.heads, architecture.kv_heads, architecture.head_dim,
                       architecture.attention_scale};
  TORCH_CHECK(!lengths.empty() && std::ranges::min(lengths) > 0, "a packed row has no tokens");
  const bool is_whole = layer.window <= 0 || std::ranges::max(lengths) <= layer.window;
  if (can_loop(qkv) && is_whole && architecture.attention_softcap == 0)
    return Attention::apply(qkv.contiguous(), lengths, heads);
  return by_rows(split(qkv.contiguous(), heads), lengths, architecture, layer);
}

}  // namespace expo
