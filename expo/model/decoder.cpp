#include "expo/model/decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "expo/core/error.h"
#include "expo/model/attention.h"

namespace expo {
namespace {

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return at::linear(x, weight, bias.defined() ? std::optional<at::Tensor>(bias) : std::nullopt);
}

/// [tokens, heads, head_dim] of one sequence as attention takes it: [1, heads, tokens, head_dim].
at::Tensor heads_first(const at::Tensor& x) { return x.transpose(0, 1).unsqueeze(0); }

}  // namespace

Decoder::Decoder(const Architecture& architecture, const DecoderWeights& weights)
    : architecture_(architecture),
      weights_(weights),
      rotary_(architecture.rope, architecture.head_dim, weights.embedding.options()) {}

at::Tensor Decoder::hidden_states(const at::Tensor& ids, std::span<const SequencePart> parts,
                                  KvCache* cache) {
  const c10::InferenceMode no_gradients;
  check(ids, parts, cache);
  prepare_positions(parts);
  at::Tensor x = embed(ids);
  for (std::size_t i = 0; i < weights_.layers.size(); ++i) {
    const LayerWeights& layer = weights_.layers[i];
    const at::Tensor attended = attention(norm(x, layer.attention_norm), i, parts, cache);
    x = x + norm(attended, layer.attention_post_norm);
    x = x + norm(mlp(norm(x, layer.mlp_norm), layer), layer.mlp_post_norm);
  }
  return norm(x, weights_.final_norm);
}

void Decoder::check(const at::Tensor& ids, std::span<const SequencePart> parts,
                    const KvCache* cache) const {
  std::int64_t tokens = 0;
  for (const SequencePart& part : parts) {
    tokens += part.count;
    const bool fits = cache == nullptr ? part.start == 0
                                       : part.slot >= 0 && part.slot < cache->slots() &&
                                             part.start >= 0 &&
                                             part.start + part.count <= cache->capacity();
    if (part.count < 1 || !fits) {
      throw usage_error(fmt::format("{} tokens from position {} do not fit slot {} of the cache",
                                    part.count, part.start, part.slot));
    }
  }
  if (tokens != ids.numel() || tokens == 0)
    throw usage_error(fmt::format("{} ids are given for {} tokens", ids.numel(), tokens));
  const auto lowest = ids.min().item<std::int64_t>();
  const auto highest = ids.max().item<std::int64_t>();
  if (lowest < 0 || highest >= architecture_.vocabulary) {
    throw input_error(fmt::format(
        "the token id {} is outside the model's vocabulary of {}: the tokenizer is another model's",
        lowest < 0 ? lowest : highest, architecture_.vocabulary));
  }
}

void Decoder::prepare_positions(std::span<const SequencePart> parts) {
  std::vector<std::int64_t> positions;
  for (const SequencePart& part : parts) {
    for (std::int64_t i = 0; i < part.count; ++i) positions.push_back(part.start + i);
  }
  const std::int64_t highest = *std::ranges::max_element(positions);
  const at::Tensor on_cpu = at::from_blob(
      positions.data(), {static_cast<std::int64_t>(positions.size())}, at::kLong);
  rotary_.prepare(on_cpu.to(weights_.embedding.device()).clone(), highest);
}

at::Tensor Decoder::embed(const at::Tensor& ids) const {
  const at::Tensor x = at::embedding(weights_.embedding, ids.to(weights_.embedding.device()));
  if (!architecture_.scales_embeddings) return x;
  // In the weights' type, as Gemma was trained.
  return x * at::scalar_tensor(std::sqrt(static_cast<double>(architecture_.hidden)), x.options());
}

/// Root-mean-square norm (Zhang and Sennrich), in float32. Llama rounds before it multiplies by the
/// weight; Gemma and OLMo-2 after. No weight: no norm.
at::Tensor Decoder::norm(const at::Tensor& x, const at::Tensor& weight) const {
  if (!weight.defined()) return x;
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor mean_square = at::mean(wide * wide, at::IntArrayRef{-1}, true);
  const at::Tensor normed = wide * at::rsqrt(mean_square + architecture_.norm_epsilon);
  if (architecture_.norm_adds_one) return (normed * (1 + weight.to(at::kFloat))).to(x.scalar_type());
  if (architecture_.norms == NormPlacement::after)
    return (normed * weight.to(at::kFloat)).to(x.scalar_type());
  return normed.to(x.scalar_type()) * weight;
}

at::Tensor Decoder::attention(const at::Tensor& x, std::size_t layer,
                              std::span<const SequencePart> parts, KvCache* cache) {
  const LayerWeights& weights = weights_.layers[layer];
  const LayerSpec& spec = architecture_.layers[layer];
  const std::int64_t q_size = architecture_.heads * architecture_.head_dim;
  const std::int64_t kv_size = architecture_.kv_heads * architecture_.head_dim;
  const auto by_head = [&](const at::Tensor& t) {
    return t.reshape({x.size(0), -1, architecture_.head_dim});
  };
  const bool whole = architecture_.query_key_norm == QueryKeyNorm::projection;
  const at::Tensor qkv = linear(x, weights.qkv, weights.qkv_bias);
  at::Tensor q = qkv.narrow(1, 0, q_size);
  at::Tensor k = qkv.narrow(1, q_size, kv_size);
  const at::Tensor v = by_head(qkv.narrow(1, q_size + kv_size, kv_size));
  q = whole ? by_head(norm(q, weights.q_norm)) : norm(by_head(q), weights.q_norm);
  k = whole ? by_head(norm(k, weights.k_norm)) : norm(by_head(k), weights.k_norm);
  if (spec.rope) {
    q = rotary_.apply(q);
    k = rotary_.apply(k);
  }
  const at::Tensor result = at::empty({x.size(0), architecture_.heads, architecture_.head_dim},
                                      x.options());
  std::int64_t row = 0;
  for (const SequencePart& part : parts) {
    at::Tensor keys = heads_first(k.narrow(0, row, part.count));
    at::Tensor values = heads_first(v.narrow(0, row, part.count));
    if (cache != nullptr) {
      const at::Tensor all_keys = cache->keys(layer).narrow(0, part.slot, 1);
      const at::Tensor all_values = cache->values(layer).narrow(0, part.slot, 1);
      all_keys.narrow(2, part.start, part.count).copy_(keys);
      all_values.narrow(2, part.start, part.count).copy_(values);
      keys = all_keys.narrow(2, 0, part.start + part.count);
      values = all_values.narrow(2, 0, part.start + part.count);
    }
    const at::Tensor attended = causal_attention(heads_first(q.narrow(0, row, part.count)), keys,
                                                 values, architecture_, spec);
    result.narrow(0, row, part.count).copy_(attended.squeeze(0).transpose(0, 1));
    row += part.count;
  }
  return linear(result.reshape({x.size(0), q_size}), weights.output, weights.output_bias);
}

at::Tensor Decoder::activate(const at::Tensor& x) const {
  switch (architecture_.activation) {
    case Activation::silu:
      return at::silu(x);
    case Activation::gelu:
      return at::gelu(x);
    case Activation::gelu_tanh:
      return at::gelu(x, "tanh");
  }
  return x;
}

at::Tensor Decoder::mlp(const at::Tensor& x, const LayerWeights& weights) const {
  const at::Tensor both = linear(x, weights.gate_up, weights.gate_up_bias);
  const at::Tensor gated = activate(both.narrow(1, 0, architecture_.intermediate)) *
                           both.narrow(1, architecture_.intermediate, architecture_.intermediate);
  return linear(gated, weights.down, weights.down_bias);
}

at::Tensor Decoder::logits(const at::Tensor& hidden_states) const {
  const c10::InferenceMode no_gradients;
  const at::Tensor raw = at::linear(hidden_states, weights_.head).to(at::kFloat);
  const double cap = architecture_.logit_softcap;
  // transformers caps the logits of the vocabulary only, not rewards.
  if (cap <= 0 || architecture_.head == ModelHead::score) return raw;
  return at::tanh(raw / cap) * cap;
}

}  // namespace expo
