#include "expo/model/tensor/decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "expo/core/error.h"
#include "expo/model/activation.h"
#include "expo/model/tensor/attention.h"

namespace expo {
namespace {

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return at::linear(x, weight, bias.defined() ? std::optional<at::Tensor>(bias) : std::nullopt);
}

/// Reshapes [tokens, heads, head_dim] of one sequence as attention expects it: [1, heads, tokens,
/// head_dim].
at::Tensor heads_first(const at::Tensor& x) {
  return x.transpose(0, 1).unsqueeze(0);
}

}  // namespace

TensorDecoder::TensorDecoder(const Architecture& architecture, const DecoderWeights& weights,
                             Steps steps)
    : Decoder(architecture),
      weights_(weights),
      steps_(steps),
      rotary_(architecture.rope, architecture.head_dim, weights.embedding.options()) {}

std::unique_ptr<KvCache> TensorDecoder::make_cache(std::int64_t slots,
                                                   std::int64_t capacity) const {
  const c10::InferenceMode no_gradients;
  try {
    return std::make_unique<TensorCache>(architecture(), slots, capacity,
                                         weights_.embedding.options());
  } catch (const c10::Error& error) {
    throw environment_error(
        fmt::format("cannot allocate a cache of {} MB on {} ({})",
                    slots * static_cast<std::int64_t>(cache_bytes_of_slot(capacity)) / 1'000'000,
                    weights_.embedding.device().str(), error.what_without_backtrace()));
  }
}

std::uint64_t TensorDecoder::cache_bytes_of_slot(std::int64_t capacity) const {
  return TensorCache::bytes_of_slot(architecture(), capacity, weights_.embedding.options());
}

at::Tensor TensorDecoder::compute(std::span<const std::int64_t> ids,
                                  std::span<const SequencePart> parts, KvCache* any_cache) {
  auto* cache = dynamic_cast<TensorCache*>(any_cache);
  prepare_positions(parts);
  prepare_step(parts, cache);
  at::Tensor x = embed(ids);
  for (std::size_t i = 0; i < weights_.layers.size(); ++i) {
    const LayerWeights& layer = weights_.layers[i];
    const at::Tensor attended = attention(norm(x, layer.attention_norm), i, parts, cache);
    x = x + norm(attended, layer.attention_post_norm);
    x = x + norm(mlp(norm(x, layer.mlp_norm), layer), layer.mlp_post_norm);
  }
  return norm(x, weights_.final_norm);
}

void TensorDecoder::prepare_positions(std::span<const SequencePart> parts) {
  std::vector<std::int64_t> positions;
  for (const SequencePart& part : parts) {
    for (std::int64_t i = 0; i < part.count; ++i) positions.push_back(part.start + i);
  }
  const std::int64_t highest = *std::ranges::max_element(positions);
  const at::Tensor on_cpu =
      at::from_blob(positions.data(), {static_cast<std::int64_t>(positions.size())}, at::kLong);
  rotary_.prepare(on_cpu.to(weights_.embedding.device()).clone(), highest);
}

at::Tensor TensorDecoder::embed(std::span<const std::int64_t> ids) const {
  const at::Tensor on_cpu =
      at::tensor(at::ArrayRef<std::int64_t>(ids.data(), ids.size()), at::kLong);
  const at::Tensor x = at::embedding(weights_.embedding, on_cpu.to(weights_.embedding.device()));
  if (!architecture().scales_embeddings) return x;
  // The embedding is scaled in the weights' type, as Gemma was trained.
  return x * at::scalar_tensor(std::sqrt(static_cast<double>(architecture().hidden)), x.options());
}

/// The root-mean-square norm (Zhang and Sennrich), in float32. Llama rounds before it multiplies by
/// the weight; Gemma and OLMo-2 round afterwards. Without a weight, x is returned as it is.
at::Tensor TensorDecoder::norm(const at::Tensor& x, const at::Tensor& weight) const {
  if (!weight.defined()) return x;
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor mean_square = at::mean(wide * wide, at::IntArrayRef{-1}, true);
  const at::Tensor normed = wide * at::rsqrt(mean_square + architecture().norm_epsilon);
  if (architecture().norm_adds_one)
    return (normed * (1 + weight.to(at::kFloat))).to(x.scalar_type());
  if (architecture().norms == NormPlacement::after)
    return (normed * weight.to(at::kFloat)).to(x.scalar_type());
  return normed.to(x.scalar_type()) * weight;
}

at::Tensor TensorDecoder::attention(const at::Tensor& x, std::size_t layer,
                                    std::span<const SequencePart> parts, TensorCache* cache) {
  const LayerWeights& weights = weights_.layers[layer];
  const LayerSpec& spec = architecture().layers[layer];
  const std::int64_t q_size = architecture().heads * architecture().head_dim;
  const std::int64_t kv_size = architecture().kv_heads * architecture().head_dim;
  const auto by_head = [&](const at::Tensor& t) {
    return t.reshape({x.size(0), -1, architecture().head_dim});
  };
  const bool whole = architecture().query_key_norm == QueryKeyNorm::projection;
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
  const at::Tensor result =
      step_ ? attend_step(q, k, v, layer, *cache) : attend_parts(q, k, v, layer, parts, cache);
  return linear(result.reshape({x.size(0), q_size}), weights.output, weights.output_bias);
}

at::Tensor TensorDecoder::attend_parts(const at::Tensor& q, const at::Tensor& k,
                                       const at::Tensor& v, std::size_t layer,
                                       std::span<const SequencePart> parts,
                                       TensorCache* cache) const {
  const at::Tensor result = at::empty(q.sizes(), q.options());
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
    const at::Tensor attended =
        causal_attention(heads_first(q.narrow(0, row, part.count)), keys, values, architecture(),
                         architecture().layers[layer]);
    result.narrow(0, row, part.count).copy_(attended.squeeze(0).transpose(0, 1));
    row += part.count;
  }
  return result;
}

void TensorDecoder::prepare_step(std::span<const SequencePart> parts, const TensorCache* cache) {
  step_.reset();
  const bool is_step =
      std::ranges::all_of(parts, [](const SequencePart& part) { return part.count == 1; });
  if (cache == nullptr || steps_ == Steps::one_by_one || !is_step) return;
  std::vector<std::int64_t> slots, positions;
  std::vector<std::int64_t> of_slot(static_cast<std::size_t>(cache->slots()), -1);
  for (const SequencePart& part : parts) {
    slots.push_back(part.slot);
    positions.push_back(part.start);
    of_slot[static_cast<std::size_t>(part.slot)] = part.start;
  }
  const auto on_device = [&](const std::vector<std::int64_t>& values) {
    return at::tensor(at::ArrayRef<std::int64_t>(values), at::kLong)
        .to(weights_.embedding.device());
  };
  step_ = {on_device(slots), on_device(positions), on_device(of_slot)};
}

/// Attends over the whole cache at once. Slots without a sequence are computed too, and their
/// results are ignored.
at::Tensor TensorDecoder::attend_step(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                      std::size_t layer, const TensorCache& cache) const {
  const at::Tensor& keys = cache.keys(layer);
  const at::Tensor& values = cache.values(layer);
  const at::indexing::TensorIndex everything = at::indexing::Slice();
  at::Tensor(keys).index_put_({step_->slots, everything, step_->positions}, k);
  at::Tensor(values).index_put_({step_->slots, everything, step_->positions}, v);
  const at::Tensor queries = at::zeros({cache.slots(), q.size(1), 1, q.size(2)}, q.options())
                                 .index_copy_(0, step_->slots, q.unsqueeze(2));
  const at::Tensor mask =
      seen_by_slots(step_->of_slot, cache.capacity(), architecture().layers[layer]);
  return masked_attention(queries, keys, values, mask, architecture())
      .index_select(0, step_->slots)
      .squeeze(2);
}

at::Tensor TensorDecoder::mlp(const at::Tensor& x, const LayerWeights& weights) const {
  const at::Tensor both = linear(x, weights.gate_up, weights.gate_up_bias);
  const at::Tensor gated =
      activate(both.narrow(1, 0, architecture().intermediate), architecture().activation) *
      both.narrow(1, architecture().intermediate, architecture().intermediate);
  return linear(gated, weights.down, weights.down_bias);
}

at::Tensor TensorDecoder::logits(const at::Tensor& hidden_states) {
  const c10::InferenceMode no_gradients;
  const at::Tensor raw = at::linear(hidden_states, weights_.head).to(at::kFloat);
  const double cap = architecture().logit_softcap;
  // transformers caps the logits of the vocabulary, but not rewards.
  if (cap <= 0 || architecture().head == ModelHead::score) return raw;
  return at::tanh(raw / cap) * cap;
}

}  // namespace expo
