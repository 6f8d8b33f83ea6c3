#include "expo/training/model/trainable_decoder.h"

#include <ATen/core/grad_mode.h>

#include <cmath>

#include "expo/training/ops/dropout.h"
#include "expo/training/ops/gate_function.h"
#include "expo/training/ops/norm_function.h"
#include "expo/training/ops/rotation_function.h"
#include "expo/training/ops/row_attention.h"

namespace expo {
namespace {

/// An input tensor of the graph, in whose grad() the backward pass leaves its gradient.
at::Tensor leaf(const at::Tensor& x) {
  at::Tensor result = x.detach();
  result.set_requires_grad(true);
  return result;
}

}  // namespace

TrainableDecoder::TrainableDecoder(const TrainableModel& model, bool checkpointing)
    : model_(model),
      checkpointing_(checkpointing),
      rotary_(model.architecture.rope, model.architecture.head_dim,
              at::TensorOptions(model.device()).dtype(at::kFloat)) {}

at::Tensor TrainableDecoder::hidden_states(const PackedRows& rows) {
  const at::NoGradGuard no_gradients;
  pass_.reset();
  take(rows);
  at::Tensor x = embed(rows_.ids);
  for (std::size_t i = 0; i < model_.weights.layers.size(); ++i) x = layer(x, i);
  return norm(x, model_.weights.final_norm);
}

at::Tensor TrainableDecoder::forward(const PackedRows& rows, std::uint64_t pass) {
  const at::NoGradGuard no_gradients;
  pass_ = pass;
  take(rows);
  at::Tensor x = embed(rows_.ids);
  for (std::size_t i = 0; i < model_.weights.layers.size(); ++i) {
    const at::AutoGradMode recording(!checkpointing_);
    const at::Tensor input = leaf(x);
    const at::Tensor output = layer(input, i);
    x = output.detach();
    steps_.push_back({input, checkpointing_ ? at::Tensor() : output});
  }
  const at::AutoGradMode recording(true);
  const at::Tensor input = leaf(x);
  steps_.push_back({input, norm(input, model_.weights.final_norm)});
  return steps_.back().output.detach();
}

void TrainableDecoder::backward(const at::Tensor& gradient) {
  at::Tensor flowing = gradient;
  for (std::size_t i = steps_.size(); i-- > 0;) {
    Step& step = steps_[i];
    if (!step.output.defined()) {
      const at::AutoGradMode recording(true);
      step.output = layer(step.input, i);
    }
    step.output.backward(flowing);
    flowing = step.input.grad();
    step = {};
  }
  steps_.clear();
  embed_backward(flowing);
}

void TrainableDecoder::take(const PackedRows& rows) {
  steps_.clear();
  rows_ = rows;
  rows_.ids = rows.ids.to(model_.device());
  std::vector<at::Tensor> positions;
  std::int64_t longest = 1;
  for (const std::int64_t length : rows.lengths) {
    positions.push_back(at::arange(length, rows_.ids.options()));
    longest = std::max(longest, length);
  }
  rotary_.prepare(at::cat(positions), longest - 1);
}

at::Tensor TrainableDecoder::embed(const at::Tensor& ids) const {
  const at::Tensor x = model_.embedding.index_select(0, ids);
  if (!model_.architecture.scales_embeddings) return x.to(at::kFloat);
  const double scale = std::sqrt(static_cast<double>(model_.architecture.hidden));
  return (x * at::scalar_tensor(scale, x.options())).to(at::kFloat);
}

/// As in transformers, look-ups give no gradient to the row of the padding token.
void TrainableDecoder::embed_backward(const at::Tensor& gradient) const {
  if (!model_.embedding_gradient.defined()) return;
  const at::NoGradGuard no_gradients;
  const Architecture& architecture = model_.architecture;
  at::Tensor change = gradient;
  if (architecture.scales_embeddings)
    change = change * std::sqrt(static_cast<double>(architecture.hidden));
  if (model_.knows_padding && architecture.pad_id >= 0)
    change = change.masked_fill(rows_.ids.eq(architecture.pad_id).unsqueeze(1), 0);
  model_.embedding_gradient.index_add_(0, rows_.ids, change);
}

at::Tensor TrainableDecoder::layer(const at::Tensor& x, std::size_t index) const {
  const LayerWeights& weights = model_.weights.layers[index];
  const at::Tensor attended = attention(norm(x, weights.attention_norm), index);
  const at::Tensor middle = x + norm(attended, weights.attention_post_norm);
  return middle + norm(mlp(norm(middle, weights.mlp_norm), index), weights.mlp_post_norm);
}

/// Without a weight, this is x itself, in its type.
at::Tensor TrainableDecoder::norm(const at::Tensor& x, const at::Tensor& weight) const {
  if (!weight.defined()) return x;
  const Architecture& architecture = model_.architecture;
  return rms_norm(x, weight, architecture.norm_adds_one ? 1 : 0, architecture.norm_epsilon);
}

at::Tensor TrainableDecoder::product(const at::Tensor& x, std::size_t layer, LayerProduct which,
                                     const at::Tensor& bias) const {
  const auto place = static_cast<std::size_t>(which);
  at::Tensor base = linear(x, model_.products[layer][place]);
  if (bias.defined()) base = base + bias.to(at::kFloat);
  if (!model_.is_lora()) return base;
  return model_.adapters[layer][place].empty() ? base : base + adapter_update(x, layer, which);
}

/// As in PEFT, each adapter has draws of its own.
at::Tensor TrainableDecoder::dropped(const at::Tensor& x, std::size_t layer, LayerProduct which,
                                     std::size_t part) const {
  if (!pass_ || model_.adapter_dropout == 0) return x;
  const std::uint64_t place = layer * 16 + static_cast<std::size_t>(which) * 4 + part;
  return dropout(x, model_.adapter_dropout,
                 RandomStream(model_.dropout_seed, (*pass_ << 16) + place));
}

at::Tensor TrainableDecoder::adapter_update(const at::Tensor& x, std::size_t layer,
                                            LayerProduct which) const {
  const auto& parts = model_.adapters[layer][static_cast<std::size_t>(which)];
  std::vector<at::Tensor> updates;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const LoraAdapter& part = parts[i];
    if (!part.trained) {
      updates.push_back(at::zeros({x.size(0), part.rows}, x.options()));
      continue;
    }
    const at::Tensor& a = model_.parameters.all()[part.a].leaf;
    const at::Tensor& b = model_.parameters.all()[part.b].leaf;
    updates.push_back(at::linear(at::linear(dropped(x, layer, which, i), a), b) *
                      model_.adapter_scale);
  }
  return updates.size() == 1 ? updates.front() : at::cat(updates, 1);
}

at::Tensor TrainableDecoder::attention(const at::Tensor& x, std::size_t index) const {
  const Architecture& architecture = model_.architecture;
  const LayerWeights& weights = model_.weights.layers[index];
  const LayerSpec& spec = architecture.layers[index];
  at::Tensor qkv = product(x, index, LayerProduct::qkv, weights.qkv_bias);
  if (architecture.query_key_norm != QueryKeyNorm::none) qkv = with_normed_heads(qkv, weights);
  if (spec.rope)
    qkv = rotated(qkv, architecture.heads + architecture.kv_heads, architecture.head_dim, rotary_);
  return product(row_attention(qkv, rows_.lengths, architecture, spec), index, LayerProduct::output,
                 weights.output_bias);
}

at::Tensor TrainableDecoder::with_normed_heads(const at::Tensor& qkv,
                                               const LayerWeights& weights) const {
  const Architecture& architecture = model_.architecture;
  const std::int64_t dim = architecture.head_dim;
  const auto parts = qkv.split_with_sizes(
      {architecture.heads * dim, architecture.kv_heads * dim, architecture.kv_heads * dim}, 1);
  const bool by_head = architecture.query_key_norm == QueryKeyNorm::per_head;
  const auto normed = [&](const at::Tensor& t, const at::Tensor& weight) {
    return by_head ? norm(t.reshape({t.size(0), -1, dim}), weight).reshape(t.sizes())
                   : norm(t, weight);
  };
  return at::cat({normed(parts[0], weights.q_norm), normed(parts[1], weights.k_norm), parts[2]}, 1);
}

at::Tensor TrainableDecoder::mlp(const at::Tensor& x, std::size_t index) const {
  const LayerWeights& weights = model_.weights.layers[index];
  const at::Tensor both = product(x, index, LayerProduct::gate_up, weights.gate_up_bias);
  return product(gated(both, model_.architecture.activation), index, LayerProduct::down,
                 weights.down_bias);
}

}  // namespace expo
